import { once } from "node:events";
import { type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, onTestFinished, test, vi } from "vitest";
import { createByteBudget, openAccount } from "./byte-budget.ts";
import { Echo } from "../testing/echo.ts";
import { protocols } from "../testing/protocols.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";

const limits = { readMaxBytes: 50_000, maxBytesInFlight: 100_000 };
const large = { value: "x".repeat(40_000) };

/** A server whose Say answers only when told to. */
async function startHolding() {
  const held: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const server = await startServer({
    limits,
    echo: {
      async say(message) {
        held.push(message.value);
        await released;
        return { value: "" };
      },
    },
  });
  return { server, held, release };
}

/** Fills the budget up to 20 kB. */
async function startFull() {
  const { server, held, release } = await startHolding();
  const client = createClient(Echo, createGrpcTransport(server));
  const calls = [client.say(large), client.say(large)];
  await vi.waitFor(() => expect(held).toHaveLength(2), 10_000);
  onTestFinished(async () => {
    release();
    await Promise.all(calls);
  });
  return server;
}

const refusal = async (call: Promise<unknown>) =>
  ConnectError.from(
    await call.then(
      () => "no error",
      (error: unknown) => error,
    ),
  );

/** Two messages that need all of the budget are answered. */
async function isUnused(server: TestServer): Promise<void> {
  const path = "/test.Echo/Get";
  await vi.waitFor(async () => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify("y".repeat(49_900));
    const answers = await Promise.all(
      [1, 2].map(() => fetch(server.baseUrl + path, { method: "POST", headers, body })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  }, 10_000);
}

test.each(protocols)(
  "%s: what does not fit is UNAVAILABLE with a delay, until there is room",
  async (_, create) => {
    const { server, held, release } = await startHolding();
    const client = createClient(Echo, create(server));
    const first = [client.say(large), client.say(large)];
    await vi.waitFor(() => expect(held).toHaveLength(2), 10_000);
    const error = await refusal(client.say(large));
    expect(error.message).toBe(
      "[unavailable] too many bytes of requests are being received; send this one again",
    );
    expect(Number(error.metadata.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
    expect((await client.get({ value: "small" })).value).toBe("small");
    release();
    await Promise.all(first);
    expect((await client.say(large)).value).toBe("");
    expect(held).toHaveLength(3);
    expect(server.failures).toEqual([]);
  },
);

const head = "POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/proto\r\n";

test("HTTP/1.1: a length that does not fit is refused before the body comes", async () => {
  const raw = await openRaw(await startFull());
  raw.write(`${head}content-length: 40000\r\n\r\n`);
  expect((await raw.until((all) => all.includes("unavailable"))).toString()).toMatch(/^HTTP\/1.1 503 /);
});

test("HTTP/1.1: without a length, it is refused as soon as too much came", async () => {
  const raw = await openRaw(await startFull());
  raw.write(`${head}transfer-encoding: chunked\r\n\r\n${(40_000).toString(16)}\r\n`);
  raw.write(Buffer.alloc(25_000));
  expect((await raw.until((all) => all.includes("unavailable"))).toString()).toMatch(/^HTTP\/1.1 503 /);
});

test.each([
  ["a length that does not fit is refused before the body comes", { "content-length": "40005" }, 0],
  ["without a length, it is refused as soon as too much came", {}, 25_000],
])("HTTP/2: %s", async (_, length, size) => {
  const stream = post(await startFull(), length);
  stream.write(Buffer.concat([prefix(40_000), Buffer.alloc(size)]));
  const [header] = await once(stream, "response");
  const [trailers] = header["grpc-status"] === undefined ? await once(stream, "trailers") : [header];
  expect(trailers).toMatchObject({ "grpc-status": "14", "retry-after": expect.stringMatching(/^[12]$/) });
});

function prefix(length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function post({ baseUrl }: TestServer, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const session = connect(baseUrl);
  onTestFinished(() => session.destroy());
  const fields = { ":method": "POST", ":path": "/test.Echo/Say", "content-type": "application/grpc" };
  return session
    .request({ ...fields, ...headers })
    .on("error", () => undefined)
    .resume();
}

const half = Buffer.concat([prefix(45_000), Buffer.alloc(40_000)]);

test.each<[string, (server: TestServer) => Promise<unknown>]>([
  [
    "resets",
    async (server) => {
      const stream = post(server);
      await new Promise((resolve) => stream.write(half, resolve));
      stream.close(8);
      await once(stream, "close");
    },
  ],
  [
    "breaks off over HTTP/2",
    async (server) => {
      const stream = post(server);
      await new Promise((resolve) => stream.write(half, resolve));
      stream.session?.destroy();
    },
  ],
  ["ends early over HTTP/2", (server) => once(post(server).end(half), "close")],
  [
    "breaks off over HTTP/1.1",
    async (server) => {
      const raw = await openRaw(server);
      raw.write(`${head}content-length: 45000\r\n\r\n`);
      raw.write(Buffer.alloc(40_000));
      raw.destroy();
    },
  ],
  [
    "ends early over HTTP/1.1",
    async (server) => {
      const raw = await openRaw(server);
      raw.write(`${head}content-length: 45000\r\n\r\n`);
      raw.write(Buffer.alloc(40_000));
      raw.end();
      await raw.closed;
    },
  ],
  [
    "is malformed",
    (server) => once(post(server).end(Buffer.concat([prefix(40_000), Buffer.alloc(40_000)])), "close"),
  ],
  [
    "is too large",
    (server) => once(post(server).end(Buffer.concat([prefix(60_000), Buffer.alloc(60_000)])), "close"),
  ],
  ["makes its handler fail", (server) => refusal(createClient(Echo, createGrpcTransport(server)).say(large))],
  [
    "is given up while its handler is at work",
    (server) =>
      refusal(
        createClient(Echo, createGrpcTransport(server)).nest(
          { kind: { case: "stringValue", value: large.value } },
          { timeoutMs: 100 },
        ),
      ),
  ],
])("a request that %s counts no longer", async (_, send) => {
  const server = await startServer({
    limits: { ...limits, receiveMs: 5000 },
    echo: {
      say: () => Promise.reject(new ConnectError("no")),
      nest: () => new Promise(() => undefined),
    },
  });
  for (let n = 0; n < 4; n++) await send(server);
  await isUnused(server);
  expect(server.failures).toEqual([]);
});

test.each(protocols)("%s: a compressed message counts with its full size, too", async (_, create) => {
  const { server, held, release } = await startHolding();
  const client = createClient(Echo, create(server, { sendCompression: compressionGzip }));
  const first = [client.say(large), client.say(large)];
  await vi.waitFor(() => expect(held).toHaveLength(2), 10_000);
  expect((await refusal(client.say(large))).code).toBe(Code.Unavailable);
  release();
  await Promise.all(first);
  const many = await Promise.allSettled(
    Array.from({ length: 30 }, () => client.say({ value: "x".repeat(2000) })),
  );
  expect(many.map(({ status }) => status)).toEqual(Array(30).fill("fulfilled"));
  expect((await client.say(large)).value).toBe("");
});

async function* largeOnes(count: number) {
  for (let n = 0; n < count; n++) yield large;
}

test.each(protocols)("%s: a stream of requests may be longer than the budget", async (_, create) => {
  const client = createClient(Echo, create(await startServer({ limits })));
  let answers = 0;
  for await (const { value } of client.chat(largeOnes(20))) {
    expect(value).toBe(large.value);
    answers++;
  }
  expect(answers).toBe(20);
});

test("a stream of answers that has begun does not count", async () => {
  const server = await startServer({
    limits,
    echo: {
      async *count(_, { signal }) {
        yield { value: "first" };
        await once(signal, "abort");
      },
    },
  });
  const client = createClient(Echo, createGrpcTransport(server));
  const aborter = new AbortController();
  for (let n = 0; n < 5; n++) {
    const answers = client.count(large, { signal: aborter.signal })[Symbol.asyncIterator]();
    expect(await answers.next()).toMatchObject({ value: { value: "first" } });
  }
  await isUnused(server);
  aborter.abort();
});

test("an account that is closed counts nothing more", () => {
  const budget = createByteBudget(10);
  const account = openAccount(budget);
  account.add(10);
  expect(() => account.add(1)).toThrow("too many bytes");
  account.keep(4);
  expect([budget.fits(6), budget.fits(7)]).toEqual([true, false]);
  account.close();
  account.add(10);
  account.keep(10);
  account.close();
  expect([budget.fits(10), budget.fits(11)]).toEqual([true, false]);
});
