import { constants, type ServerHttp2Stream } from "node:http2";

/** An answer that waits behind others in its connection is looked at again: at first each turn, then less often. */
const again = { turns: 10, ms: 10 };

/**
 * Ends a stream over HTTP/2 that was answered before the whole request had come (RFC 9113, 8.1), as soon as all of the
 * answer has left. A client may count such a stream as closed from the trailers on, without closing it, and then opens
 * more streams than the server has room for.
 *
 * Call it before the answer is written, or at once after it.
 */
export function endEarly(stream: ServerHttp2Stream): void {
  stream.once("finish", () => setImmediate(endOnceSent, stream, again.turns));
}

/** A reset overtakes what is queued, and at "finish" the last frame may be no more than queued. */
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
