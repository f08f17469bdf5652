import { constants, type ServerHttp2Stream } from "node:http2";

/** How often we look whether an answer has left, which may wait behind others: at first each turn, then less often. */
const again = { turns: 10, ms: 10 };

/**
 * Ends an HTTP/2 stream that was answered before its whole request was received (RFC 9113, 8.1), as soon as the answer has
 * left. Otherwise a client that counts the stream as closed from the trailers on would open more streams than the server
 * has room for.
 *
 * Call it before the answer is written, or at once after it.
 */
export function endEarly(stream: ServerHttp2Stream): void {
  stream.once("finish", () => setImmediate(endOnceSent, stream, again.turns));
}

/** A reset overtakes queued frames, and at "finish" the last frame may still be queued. */
function endOnceSent(stream: ServerHttp2Stream, turns: number): void {
  if (stream.destroyed) return;
  if (stream.state.localClose !== 1) {
    if (turns > 0) setImmediate(endOnceSent, stream, turns - 1);
    else setTimeout(endOnceSent, again.ms, stream, 0).unref();
    return;
  }
  if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
  // Left to itself, Node keeps even a stream that both sides have ended until all of it was read.
  stream.destroy();
}
