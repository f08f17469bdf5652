import { constants } from "node:http2";
import { Code, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Echo } from "./testing/echo.ts";
import { flag, type Frame, frame, hello, parseFrames, request, uint32 } from "./testing/http2-frames.ts";
import { protocols } from "./testing/protocols.ts";
import { openRaw, type RawSocket } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

const head = { ":method": "POST", ":scheme": "http", ":authority": "a" };
const grpcGo = { "user-agent": "test grpc-go/1.84.0" };
const say = { ...head, ":path": "/test.Echo/Say" };

/** What begins a message of 16 MiB - 1. */
const tooLarge = Buffer.from("0000ffffff", "hex");
/** "x" as a text, alone and in an envelope. */
const text = Buffer.from("0a0178", "hex");
const message = Buffer.concat([Buffer.from("0000000003", "hex"), text]);

const early = [
  ["gRPC", { ...say, "content-type": "application/grpc" }, tooLarge],
  ["gRPC-Web", { ...say, "content-type": "application/grpc-web+proto" }, tooLarge],
  ["Connect", { ...say, "content-type": "application/proto", "content-length": "16777215" }, text],
  [
    "Connect, compressed",
    {
      ...say,
      "content-type": "application/proto",
      "content-encoding": "gzip",
      "content-length": "99000000",
    },
    text,
  ],
  ["an unknown encoding", { ...say, "content-type": "application/grpc", "grpc-encoding": "zz" }, message],
  [
    "a stream of answers",
    { ...head, ":path": "/test.Echo/Count", "content-type": "application/grpc" },
    tooLarge,
  ],
  [
    "a stream of requests",
    { ...head, ":path": "/test.Echo/Join", "content-type": "application/connect+proto" },
    tooLarge,
  ],
  ["a stream of both", { ...head, ":path": "/test.Echo/Chat", "content-type": "application/grpc" }, tooLarge],
  ["an unknown rpc", { ...head, ":path": "/none", "content-type": "application/grpc" }, message],
  ["no rpc", { ...head, ":path": "/none" }, text],
] as const;

const framesOf = (streamId: number, raw: RawSocket) =>
  parseFrames(raw.received()).filter((one) => one.streamId === streamId && one.type !== "WINDOW_UPDATE");
const endsAnswer = ({ type, flags }: Frame) =>
  (type === "HEADERS" || type === "DATA") && (flags & flag.endStream) !== 0;
const isReset = ({ type }: Frame) => type === "RST_STREAM";

test.each(early)(
  "HTTP/2, grpc-go: %s: an early answer ends its stream once it has left, so that another may begin",
  async (_, fields, begin) => {
    const server = await startServer({ limits: { maxConcurrentStreams: 4 } });
    const raw = await openRaw(server);
    raw.write(hello);
    const streamIds = Array.from({ length: 30 }, (_each, index) => 2 * index + 1);
    for (const streamId of streamIds) {
      const data = frame("DATA", { streamId, payload: begin });
      raw.write(Buffer.concat([request({ ...fields, ...grpcGo }, { streamId, end: false }), data]));
      await raw.until(() => framesOf(streamId, raw).some((one) => endsAnswer(one) || isReset(one)));
    }
    for (const streamId of streamIds) {
      await raw.until(() => framesOf(streamId, raw).some(isReset));
      const [last, reset] = framesOf(streamId, raw).slice(-2);
      expect(last).toSatisfy(endsAnswer);
      expect(reset).toMatchObject({ type: "RST_STREAM", payload: uint32(constants.NGHTTP2_NO_ERROR) });
    }
    expect(server.events).toEqual([]);
    expect(server.failures).toEqual([]);
  },
);

test.each(early)(
  "HTTP/2, grpc-go: %s: an early answer that its reader does not let go yet is not overtaken",
  async (_, fields, begin) => {
    const server = await startServer();
    const raw = await openRaw(server);
    const noWindow = Buffer.concat([Buffer.from("0004", "hex"), uint32(0)]);
    raw.write(Buffer.concat([hello, frame("SETTINGS", { streamId: 0, payload: noWindow })]));
    const data = frame("DATA", { streamId: 1, payload: begin });
    raw.write(Buffer.concat([request({ ...fields, ...grpcGo }, { end: false }), data]));
    await raw.until(() => framesOf(1, raw).some(({ type }) => type === "HEADERS"));
    await pings(raw, 20);
    raw.write(frame("WINDOW_UPDATE", { streamId: 1, payload: uint32(65_535) }));
    await raw.until(() => framesOf(1, raw).some(isReset));
    const [last, reset] = framesOf(1, raw).slice(-2);
    expect(last).toSatisfy(endsAnswer);
    expect(reset).toMatchObject({ payload: uint32(constants.NGHTTP2_NO_ERROR) });
  },
);

test.each(early)("HTTP/2: %s: a request that has ended is not reset", async (_, fields, begin) => {
  const server = await startServer();
  const raw = await openRaw(server);
  raw.write(hello);
  const data = frame("DATA", { streamId: 1, payload: begin, flags: flag.endStream });
  const { "content-length": _length, ...rest }: Record<string, string> = fields;
  raw.write(Buffer.concat([request(rest, { end: false }), data]));
  await raw.until(() => framesOf(1, raw).some(endsAnswer));
  await pings(raw, 20);
  expect(framesOf(1, raw).filter(isReset)).toEqual([]);
});

test.each(early)(
  "HTTP/2: %s: a client may send the rest, and is reset only if it stops",
  async (_, fields, begin) => {
    const server = await startServer({ limits: { readMaxBytes: 128 * 1024, maxBytesInFlight: 256 * 1024 } });
    const raw = await openRaw(server);
    raw.write(hello);
    const payload = Buffer.alloc(16_384);
    const chunks = 16;
    const whole = { "content-length": String(begin.length + chunks * payload.length) };
    const rest = { ...fields, ...("content-length" in fields && whole) };
    for (const streamId of [1, 3]) {
      raw.write(request(rest, { streamId, end: false }));
      raw.write(frame("DATA", { streamId, payload: begin }));
    }
    await raw.until(() => [1, 3].every((streamId) => framesOf(streamId, raw).some(endsAnswer)));
    // The window of a stream is opened again only if what comes is read.
    const windows = () =>
      parseFrames(raw.received()).filter(({ type, streamId }) => type === "WINDOW_UPDATE" && streamId === 1);
    for (let sent = 1; sent < chunks; sent++) raw.write(frame("DATA", { streamId: 1, payload }));
    await raw.until(() => windows().length > 0);
    raw.write(frame("DATA", { streamId: 1, payload, flags: flag.endStream }));
    await raw.until(() => framesOf(3, raw).some(isReset));
    expect(framesOf(1, raw).filter(isReset)).toEqual([]);
    expect(framesOf(3, raw).at(-1)).toMatchObject({ payload: uint32(constants.NGHTTP2_NO_ERROR) });
    expect(server.events).toEqual([]);
  },
);

test.each(protocols)(
  "%s: a client on Node hears each time that its message is too large",
  async (_, createTransport) => {
    const server = await startServer();
    const client = createClient(Echo, createTransport(server));
    const value = "x".repeat(5_000_000);
    for (let call = 0; call < 10; call++)
      await expect(client.say({ value })).rejects.toMatchObject({ code: Code.ResourceExhausted });
  },
);

/** Asks the peer for so many signs of life, one after the other. */
async function pings(raw: RawSocket, count: number): Promise<void> {
  const payload = Buffer.alloc(8);
  for (let n = 1; n <= count; n++) {
    raw.write(frame("PING", { streamId: 0, payload }));
    await raw.until((all) => parseFrames(all).filter(({ type }) => type === "PING").length >= n);
  }
}
