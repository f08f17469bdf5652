import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { linger } from "./linger.ts";

/** How often we look whether an answer has left, which may wait behind others: at first each turn, then less often. */
const again = { turns: 10, ms: 10 };

/**
 * Ends an HTTP/2 stream that was answered before its whole request was received. The server reads up to `maxBytes` of the
 * rest and discards them. It resets the stream without an error (RFC 9113, 8.1) once the client has sent nothing for a
 * second. An earlier reset would break clients on Node: they never free what they had still to send, and once that is
 * 10 MB they refuse all answers.
 *
 * The streams of grpc-go are reset as soon as the answer has left. It counts a stream as closed from the trailers on, but
 * neither ends nor resets it, and would open more streams than the server has room for, which ends the connection.
 *
 * Call it before the answer is written, or at once after it.
 */
export function endEarly(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, maxBytes: number): void {
  stream.once("finish", () => {
    if (stream.destroyed) return;
    if (stream.state.remoteClose === 1 || headers["user-agent"]?.includes("grpc-go/")) reset(stream);
    else discard(stream, maxBytes);
  });
}

function discard(stream: ServerHttp2Stream, maxBytes: number): void {
  const start = performance.now();
  const timer = setTimeout(reset, linger.idleMs, stream).unref();
  let bytes = 0;
  stream
    .removeAllListeners("data")
    .on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes || performance.now() - start > linger.totalMs) reset(stream);
      else timer.refresh();
    })
    .once("close", () => clearTimeout(timer))
    .resume();
}

function reset(stream: ServerHttp2Stream): void {
  setImmediate(endOnceSent, stream, again.turns);
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
