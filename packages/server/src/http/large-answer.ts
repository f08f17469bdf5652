import type { ServerResponse } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

// Over HTTP/1.1 with TLS, the last byte of a large answer is sent when the rest has left. Node learns late that a write has
// left, and takes the connection for blocked until then. A client that has the whole answer may send its next request;
// if that comes in several TLS records while the connection counts as blocked, Node ends it ("Parse Error: Paused").

/** Well below what Node buffers before it takes a connection for blocked. */
const smallBytes = 15 * 1024;

/** Whether an answer is large. */
export function isLarge(body: Uint8Array): boolean {
  return body.length > smallBytes;
}

/** Writes the body and ends the answer, the last byte on its own. The header must say how long the body is. */
export function endInTwo(response: ServerResponse, body: Uint8Array): void {
  const end = () => void response.end(body.subarray(-1));
  if (response.write(body.subarray(0, -1))) end();
  else response.once("drain", end);
}

/** The same answer, with the last byte of each large piece in a piece of its own; the writer waits for "drain" in between. */
export function inTwo(answer: UniversalServerResponse): UniversalServerResponse {
  const { body } = answer;
  return body === undefined ? answer : { ...answer, body: split(body) };
}

async function* split(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body)
    yield* isLarge(piece) ? [piece.subarray(0, -1), piece.subarray(-1)] : [piece];
}
