import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { linger } from "../linger.ts";

/**
 * Reads what still comes of a request over HTTP/1.1 once its answer is written, and throws it away. Left unread, it would
 * make the kernel reset the connection when it is closed, and the peer could lose the answer; on a connection that
 * stays, the next request would never be read.
 *
 * A peer that goes on for more than `maxBytes`, or does not end its request in time, is cut. If the header of the request
 * says that it is longer, the answer says that the connection closes.
 */
export function discardRest(request: IncomingMessage, response: ServerResponse, maxBytes: number): void {
  if (Number(request.headers["content-length"]) > maxBytes) response.setHeader("connection", "close");
  // Once the answer has left, the request may not know its socket any more.
  const { socket } = request;
  // Not at "finish": a peer that reads no answer before all of its request is sent would wait for ever.
  response.once("prefinish", () => {
    if (!request.complete) discard(request, response, { socket, maxBytes });
  });
}

function discard(
  request: IncomingMessage,
  response: ServerResponse,
  { socket, maxBytes }: { socket: Socket; maxBytes: number },
): void {
  const cut = () => void socket.destroy();
  const closeNow = closeAfterRequest(socket);
  const start = performance.now();
  // As long as the answer has not left, it is for the stall guard to say how long it may take.
  const expire = () => (response.writableFinished ? cut() : timer.refresh());
  const timer = setTimeout(expire, linger.idleMs).unref();
  let bytes = 0;
  request
    .removeAllListeners("readable")
    .on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      const late = response.writableFinished && performance.now() - start > linger.totalMs;
      if (bytes > maxBytes || late) cut();
      else timer.refresh();
    })
    .once("close", () => {
      clearTimeout(timer);
      closeNow();
    })
    .resume();
}

/**
 * Puts the closing of a socket off until the function returned is called, and only ends its own side until then. Node
 * closes a connection that is not used again as soon as the answer has left.
 */
function closeAfterRequest(socket: Socket): () => void {
  let asked = false;
  const endOnly = () => {
    asked = true;
    socket.end();
  };
  socket.destroySoon = endOnly;
  return () => {
    if (socket.destroySoon === endOnly) Reflect.deleteProperty(socket, "destroySoon");
    if (asked) socket.destroySoon();
  };
}
