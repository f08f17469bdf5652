import { expect, test } from "vitest";
import { frame, hello, parseFrames, request, uint32 } from "../testing/http2-frames.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

const say = {
  ":method": "POST",
  ":scheme": "http",
  ":path": "/test.Echo/Say",
  ":authority": "a",
  "content-type": "application/grpc",
};
const open = (streamId: number) => request(say, { streamId, end: false });
const cancel = (streamId: number) => frame("RST_STREAM", { streamId, payload: uint32(8) });
const ping = frame("PING", { streamId: 0, payload: Buffer.alloc(8) });

const isAnswered = (all: Buffer) => parseFrames(all).some(({ type }) => type === "PING");

/** Far more than a busy client has on one connection. */
const calls = 800;

test("a client with many calls under way may cancel some and begin others at the same moment", async () => {
  const server = await startServer();
  const raw = await openRaw(server);
  const first = Array.from({ length: calls }, (_, index) => 2 * index + 1);
  raw.write(Buffer.concat([hello, ...first.map(open)]));
  // In one packet: Node lets go of what is cancelled only after it has seen all of it.
  const next = first.slice(0, 200).flatMap((id) => [cancel(id), open(id + 2 * calls)]);
  raw.write(Buffer.concat([...next, ping]));
  const frames = parseFrames(await raw.until(isAnswered));
  expect(frames.filter(({ type }) => type === "RST_STREAM" || type === "GOAWAY")).toEqual([]);
});
