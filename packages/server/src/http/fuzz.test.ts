import { createClient } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { Echo } from "./testing/echo.ts";
import { flag, frame, type FrameType, hello, request } from "./testing/http2-frames.ts";
import { protocols } from "./testing/protocols.ts";
import { type Random, seededRandom } from "./testing/random.ts";
import { openUntracked } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

// SEED repeats a run, INPUTS=100000 makes a long one.
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const inputs = Number(process.env.INPUTS ?? 5000);

test(
  `${inputs} malformed inputs from seed ${seed} do no harm`,
  async () => {
    const server = await startServer({ limits: { readMaxBytes: 10_000, maxConnections: 10_000 } });
    const random = seededRandom(seed);
    const send = async (input: Buffer, end: boolean) => {
      const raw = await openUntracked(server);
      raw.write(input);
      if (end) raw.end();
      // Most are answered by then; those that rightly wait for more are cut.
      const timer = setTimeout(() => raw.destroy(), 100);
      await raw.closed;
      clearTimeout(timer);
    };
    for (let sent = 0; sent < inputs; sent += 100) {
      const batch = Array.from({ length: 100 }, () =>
        send(malformed(random, server.paths), random.int(2) === 0),
      );
      await Promise.all(batch);
    }

    expect(server.failures).toEqual([]);
    for (const [, createTransport] of protocols) {
      const client = createClient(Echo, createTransport(server));
      expect(await client.say({ value: "alive" })).toMatchObject({ value: "alive" });
    }
    const began = performance.now();
    expect((await fetch(`${server.baseUrl}/healthz`)).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(2000);
    server.listener.stop();
    await vi.waitFor(() => server.listener.closed, 10_000);
  },
  20_000 + inputs * 10,
);

/** A request of either version of HTTP and any protocol, with faults in it. */
function malformed(random: Random, paths: string[]): Buffer {
  const path = paths[random.int(paths.length + 1)] ?? "/healthz";
  const input = random.int(2) === 0 ? http1Request(random, path) : http2Request(random, path);
  for (let faults = random.int(4); faults > 0; faults--) spoil(random, input);
  return random.int(4) === 0 ? input.subarray(0, random.int(input.length)) : input;
}

/** Overwrites some bytes, in place. */
function spoil(random: Random, input: Buffer): void {
  const at = random.int(input.length);
  random.bytes(1 + random.int(8)).copy(input, at);
}

function http1Request(random: Random, path: string): Buffer {
  const fields = Object.entries(headers(random)).map(([name, value]) => `${name}: ${value}\r\n`);
  const content = body(random);
  const length = random.pick([content.length, content.length, content.length + 1, -1, random.int(100_000)]);
  const method = random.pick(["POST", "POST", "POST", "GET", "PRI", "OPTIONS", "CONNECT", "X"]);
  const head = `${method} ${path}${query(random)} HTTP/1.1\r\nhost: ${authority(random)}\r\ncontent-length: ${length}\r\n`;
  return Buffer.concat([Buffer.from(`${head}${fields.join("")}\r\n`, "latin1"), content]);
}

function http2Request(random: Random, path: string): Buffer {
  const fields = {
    ":method": random.pick(["POST", "POST", "POST", "GET", "CONNECT", ""]),
    ":scheme": random.pick(["http", "http", "https", ""]),
    ":path": `${path}${query(random)}`,
    ":authority": authority(random),
    ...headers(random),
  };
  const frames = Array.from({ length: random.int(4) }, () =>
    random.int(3) > 0
      ? frame("DATA", { streamId: 1, flags: random.int(2) * flag.endStream, payload: body(random) })
      : anyFrame(random),
  );
  return Buffer.concat([hello, request(fields, { end: random.int(4) === 0 }), ...frames]);
}

function anyFrame(random: Random): Buffer {
  const type = random.pick<FrameType>([
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
  ]);
  return frame(type, {
    streamId: random.int(4),
    flags: random.int(256),
    payload: random.bytes(random.int(20)),
  });
}

function headers(random: Random): Record<string, string> {
  const all: Record<string, string> = {
    "content-type": random.pick([
      "application/json",
      "application/proto",
      "application/connect+json",
      "application/connect+proto",
      "application/grpc",
      "application/grpc+json",
      "application/grpc-web",
      "application/grpc-web+json",
      "application/grpc-web-text",
      "application/grpcx",
      "text/plain",
      "",
    ]),
  };
  const encoding = random.pick(["gzip", "gzip", "br", "identity", "", "gzip, gzip"]);
  const timeout = random.pick(["1", "0", "-1", "99999999999", "x", "1H", "99999999H", "1n", "5S", ""]);
  const name = random.pick(["content-encoding", "connect-content-encoding", "grpc-encoding", "x"]);
  if (random.int(2) === 0) all[name] = encoding;
  if (random.int(3) === 0) all[random.pick(["connect-timeout-ms", "grpc-timeout"])] = timeout;
  if (random.int(4) === 0) all[random.pick(["grpc-accept-encoding", "accept-encoding"])] = encoding;
  if (random.int(4) === 0) all["connect-protocol-version"] = random.pick(["1", "2", ""]);
  if (random.int(8) === 0)
    all[random.pick(["x-bin", "a-bin", "te", "expect"])] = random.pick([
      "%%%",
      "100-continue",
      "=",
      "\u00ff",
    ]);
  return all;
}

function body(random: Random): Buffer {
  const json = random.pick([
    '"x"',
    '"',
    "{}",
    "[[[[",
    '"\\ud800"',
    "1e999",
    "null",
    '{"a":[1,{"b":"\\u0000"}]}',
  ]);
  const content = random.pick([
    Buffer.from(json),
    random.bytes(random.int(60)),
    Buffer.alloc(random.int(20_000)),
  ]);
  if (random.int(3) === 0) return content;
  const prefix = Buffer.alloc(5);
  prefix[0] = random.pick([0, 0, 0, 1, 2, 0x80, random.int(256)]);
  prefix.writeUInt32BE(
    random.pick([content.length, content.length, random.int(100), random.int(2 ** 32)]),
    1,
  );
  return Buffer.concat([prefix, content]);
}

function query(random: Random): string {
  return random.pick([
    "",
    "",
    "?",
    "?encoding=json&message=%22x%22",
    "?encoding=proto&base64=1&message=%%%",
    "?message=%zz",
    "#?",
  ]);
}

function authority(random: Random): string {
  return random.pick(["localhost", "localhost", "localhost", "a:99999", "[", "a b", "", "\u00ff"]);
}
