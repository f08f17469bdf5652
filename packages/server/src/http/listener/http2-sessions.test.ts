import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import type { NodeHandler } from "../node-handler.ts";
import {
  flag,
  type Frame,
  frame,
  headerBlock,
  hello,
  parseFrames,
  request,
  uint32,
  unacknowledgedHello,
} from "../testing/http2-frames.ts";
import { openRaw, type RawSocket, type Target } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

const get = { ":method": "GET", ":scheme": "http", ":path": "/healthz", ":authority": "a" };
const chat = { ...get, ":method": "POST", ":path": "/test.Echo/Chat", "content-type": "application/grpc" };

async function openHttp2(target: Target, first = hello): Promise<RawSocket> {
  const raw = await openRaw(target);
  raw.write(first);
  return raw;
}

/** Answers pings, as every honest client does, until the test ends. */
function answerPings(raw: RawSocket): void {
  let answered = 0;
  const timer = setInterval(() => {
    const pings = parseFrames(raw.received()).filter(({ type, flags }) => type === "PING" && flags === 0);
    for (const { payload } of pings.slice(answered))
      raw.write(frame("PING", { streamId: 0, flags: flag.ack, payload }));
    answered = pings.length;
  }, 5);
  onTestFinished(() => clearInterval(timer));
}

const of = (type: Frame["type"]) => (all: Buffer) => parseFrames(all).filter((each) => each.type === type);
const pings = of("PING");
const goaways = of("GOAWAY");
const resets = of("RST_STREAM");
const cancel = uint32(8);

test("a peer that does not answer a ping is cut, one that does stays", async () => {
  const server = await startServer({ limits: { pingIntervalMs: 300, pingTimeoutMs: 200 } });
  const [dead, live] = [await openHttp2(server), await openHttp2(server)];
  answerPings(live);
  expect(pings(await dead.closed)).toHaveLength(1);
  await live.until((all) => pings(all).length >= 4);
  expect(server.events).toEqual(["http2-ping-timeout"]);
});

test("a peer that never agrees to the settings is cut, though it answers pings", async () => {
  const server = await startServer({ limits: { pingIntervalMs: 300, pingTimeoutMs: 200 } });
  const raw = await openHttp2(server, unacknowledgedHello);
  answerPings(raw);
  await raw.closed;
  expect(server.events).toEqual(["http2-ping-timeout"]);
});

test("a session is closed once it is idle, but not while a stream is open", async () => {
  const server = await startServer({ limits: { pingIntervalMs: 200, pingTimeoutMs: 199, idleMs: 300 } });
  const [idle, busy] = [await openHttp2(server), await openHttp2(server)];
  answerPings(idle);
  answerPings(busy);
  busy.write(request(chat, { end: false }));
  idle.write(request(get));
  expect(goaways(await idle.closed).length).toBeGreaterThan(0);
  await busy.until((all) => pings(all).length > 5);
  expect(goaways(busy.received())).toEqual([]);
  busy.write(frame("DATA", { streamId: 1, flags: flag.endStream }));
  expect(goaways(await busy.closed).length).toBeGreaterThan(0);
  expect(server.events).toEqual([]);
});

test("streams over the limit are refused, and the connection ends when that goes on", async () => {
  const raw = await openHttp2(await startServer({ limits: { maxConcurrentStreams: 5 } }));
  for (let n = 0; n < 100; n++) raw.write(request(chat, { streamId: 1 + 2 * n, end: false }));
  expect(goaways(await raw.closed).length).toBeGreaterThan(0);
});

/** Streams of Say from the `first` on that have no message and are reset at once. */
function resetStreams(count: number, first: number): Buffer {
  const frames = Array.from({ length: count }, (_, n) => {
    const streamId = 1 + 2 * (first + n);
    const open = request({ ...chat, ":path": "/test.Echo/Say" }, { streamId, end: false });
    return Buffer.concat([open, frame("RST_STREAM", { streamId, payload: cancel })]);
  });
  return Buffer.concat(frames);
}

/** Until the connection ends, or the attacker has opened 100,000 streams. */
async function rapidReset(raw: RawSocket, batch: number): Promise<void> {
  let sending = 100_000;
  void raw.closed.then(() => (sending = 0));
  for (let first = 0; first < sending; first += batch) {
    raw.write(resetStreams(batch, first));
    await sleep(1);
  }
}

const ping = frame("PING", { streamId: 0, payload: Buffer.alloc(8) });

test("a rapid reset attack ends the connection", async () => {
  const say = vi.fn<() => { value: string }>(() => ({ value: "" }));
  const server = await startServer({ echo: { say } });
  const raw = await openHttp2(server);
  await rapidReset(raw, 10_000);
  await raw.closed;
  expect(server.events).toEqual(["http2-session-error"]);
  expect(say).not.toHaveBeenCalled();
});

test("a rapid reset attack that never has many streams is cut soon, too", async () => {
  const server = await startServer();
  const raw = await openHttp2(server);
  const began = performance.now();
  await rapidReset(raw, 40);
  const [goaway] = goaways(await raw.closed);
  const seconds = (performance.now() - began) / 1000;
  // None, if the connection is gone before it could be read.
  expect(goaway?.payload.readUInt32BE(0) ?? 0).toBeLessThan(2 * (2500 + 500 * seconds));
  expect(server.events).toEqual(["http2-session-error"]);
});

test("a client whose calls often pass their deadlines keeps its connection", async () => {
  const server = await startServer();
  const raw = await openHttp2(server);
  for (let batch = 0; batch < 40; batch++) {
    raw.write(Buffer.concat([resetStreams(40, batch * 40), ping]));
    await raw.until((all) => pings(all).length > batch);
  }
  raw.write(request(get, { streamId: 99_999 }));
  await raw.until((all) => of("HEADERS")(all).length > 0);
  expect(server.events).toEqual([]);
});

const openChat = (streamId: number) => request(chat, { streamId, end: false });

test("a client whose calls all pass their deadlines at once may try all of them again at once", async () => {
  const server = await startServer();
  const raw = await openHttp2(server);
  const ids = Array.from({ length: 256 }, (_, n) => 1 + 2 * n);
  raw.write(Buffer.concat(ids.map(openChat)));
  raw.write(ping);
  await raw.until((all) => pings(all).length > 0);
  raw.write(
    Buffer.concat([
      ...ids.map((streamId) => frame("RST_STREAM", { streamId, payload: cancel })),
      ...ids.map((streamId) => openChat(1000 + streamId)),
      ...ids.map((streamId) => frame("RST_STREAM", { streamId: 1000 + streamId, payload: cancel })),
    ]),
  );
  raw.write(ping);
  await raw.until((all) => pings(all).length > 1);
  raw.write(request(get, { streamId: 99_999 }));
  await raw.until((all) => of("HEADERS")(all).some(({ streamId }) => streamId === 99_999));
  expect(server.events).toEqual([]);
});

test("a request that is reset in the same packet is not handled", async () => {
  const paths: (string | undefined)[] = [];
  const fallback: NodeHandler = ({ url }, response) => {
    paths.push(url);
    response.end();
  };
  const raw = await openHttp2(await startServer({ adapter: { fallback } }));
  const reset = frame("RST_STREAM", { streamId: 1, payload: uint32(8) });
  raw.write(Buffer.concat([request({ ...get, ":path": "/reset" }), reset, request(get, { streamId: 3 })]));
  await raw.until((all) => of("HEADERS")(all).length > 0);
  expect(paths).toEqual(["/healthz"]);
});

test("a request that asks to continue and is reset in the same packet does no harm", async () => {
  const raw = await openHttp2(await startServer());
  const asking = { ...chat, ":path": "/test.Echo/Say", expect: "100-continue" };
  const reset = frame("RST_STREAM", { streamId: 1, payload: uint32(8) });
  raw.write(Buffer.concat([request(asking, { end: false }), reset, request(get, { streamId: 3 })]));
  const answers = of("HEADERS")(await raw.until((all) => of("HEADERS")(all).length > 0));
  expect(answers.map(({ streamId }) => streamId)).toEqual([3]);
});

const continuation = frame("CONTINUATION", { streamId: 1, payload: headerBlock([["x", "y"]]) });
test.each([
  [
    "CONTINUATION",
    Buffer.concat([
      frame("HEADERS", { streamId: 1, payload: headerBlock(Object.entries(get)) }),
      continuation,
    ]),
    continuation,
  ],
  ["PING", Buffer.alloc(0), frame("PING", { streamId: 0, payload: Buffer.alloc(8) })],
  [
    "SETTINGS",
    Buffer.alloc(0),
    frame("SETTINGS", { streamId: 0, payload: Buffer.from("000300000064", "hex") }),
  ],
])("a flood of %s ends the connection", async (_, first, again) => {
  const server = await startServer();
  const raw = await openHttp2(server);
  await raw.until((all) => of("SETTINGS")(all).length > 0);
  raw.pause();
  raw.write(first);
  for (let n = 0; n < 20; n++) raw.write(Buffer.concat(Array<Buffer>(1000).fill(again)));
  await vi.waitFor(() => expect(server.events).toEqual(["http2-session-error"]), 10_000);
  server.listener.stop();
  await server.listener.closed;
});

test("a header list over its limit resets the stream", async () => {
  const raw = await openHttp2(await startServer());
  const fields = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`x-${n}`, "y".repeat(3000)]));
  const more = headerBlock(Array.from({ length: 5 }, (_, n) => [`y-${n}`, "y".repeat(3000)]));
  raw.write(
    frame("HEADERS", {
      streamId: 1,
      flags: flag.endStream,
      payload: headerBlock(Object.entries({ ...get, ...fields })),
    }),
  );
  raw.write(frame("CONTINUATION", { streamId: 1, flags: flag.endHeaders, payload: more }));
  const [reset] = resets(await raw.until((all) => resets(all).length > 0));
  expect(reset?.payload).toEqual(uint32(11));
});
