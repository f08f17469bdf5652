import { expect, test, vi } from "vitest";
import { flag, frame, hello, parseFrames, request, uint32 } from "./testing/http2-frames.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

const head = { ":method": "POST", ":scheme": "http", ":path": "/test.Echo/Say", ":authority": "a" };

test.each([
  ["no error", 0],
  ["cancel", 8],
])(
  "HTTP/2: a request that is cut in the middle with %s is not handled as if it were whole",
  async (_, code) => {
    const say = vi.fn<() => { value: string }>(() => ({ value: "" }));
    const server = await startServer({ echo: { say } });
    const raw = await openRaw(server);
    raw.write(hello);
    raw.write(request({ ...head, "content-type": "application/proto" }, { end: false }));
    // A text that is whole, though more was to come.
    raw.write(frame("DATA", { streamId: 1, payload: Buffer.from("0a0178", "hex") }));
    raw.write(frame("PING", { streamId: 0, payload: Buffer.alloc(8) }));
    await raw.until((all) => parseFrames(all).some(({ type }) => type === "PING"));
    raw.write(frame("RST_STREAM", { streamId: 1, payload: uint32(code) }));
    const whole = frame("DATA", {
      streamId: 3,
      flags: flag.endStream,
      payload: Buffer.from("0a0179", "hex"),
    });
    raw.write(request({ ...head, "content-type": "application/proto" }, { streamId: 3, end: false }));
    raw.write(whole);
    await raw.until((all) =>
      parseFrames(all).some(({ type, streamId }) => type === "DATA" && streamId === 3),
    );
    expect(say).toHaveBeenCalledTimes(1);
    expect(server.failures).toEqual([]);
  },
);

test.each([
  ["expects 100-continue", { ...head, expect: "100-continue" }],
  ["expects what nobody knows", { ...head, expect: "x" }],
  ["is CONNECT", { ":method": "CONNECT", ":authority": "a:1" }],
  ["is for no rpc", { ...head, ":path": "/none" }],
  ["is for a file", { ...head, ":path": "/healthz" }],
  ["has no authority", { ":method": "POST", ":scheme": "http", ":path": "/test.Echo/Say" }],
  ["is a call of gRPC", { ...head, "content-type": "application/grpc" }],
  ["is a call of gRPC-Web", { ...head, "content-type": "application/grpc-web" }],
  ["is an unknown call of gRPC", { ...head, ":path": "/none", "content-type": "application/grpc" }],
])("HTTP/2: a request that %s and is reset in the same packet does no harm", async (_, fields) => {
  const server = await startServer();
  const raw = await openRaw(server);
  const codes = [...Array(14).keys()];
  raw.write(
    Buffer.concat([
      hello,
      ...codes.flatMap((code) => [
        request(fields, { streamId: 2 * code + 1, end: false }),
        frame("RST_STREAM", { streamId: 2 * code + 1, payload: uint32(code) }),
      ]),
      request({ ...head, ":path": "/healthz" }, { streamId: 101 }),
    ]),
  );
  await raw.until((all) =>
    parseFrames(all).some(({ type, streamId }) => type === "DATA" && streamId === 101),
  );
  expect(server.failures).toEqual([]);
});
