import { request as httpRequest } from "node:http";
import { type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceImpl } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Echo } from "../testing/echo.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";

/** Beside this, a write of 2 kB may take 62 ms, one of 20 kB 625 ms. */
const limits = { stallMs: 300 };

/** As many messages as asked for, and a note when the generator ended. */
function bulk(size = 2000) {
  const ended = vi.fn<() => void>();
  const count: ServiceImpl<typeof Echo>["count"] = async function* count({ value }) {
    try {
      for (let n = 0; n < Number(value); n++) yield { value: "x".repeat(size) };
    } finally {
      ended();
    }
  };
  return { count, ended };
}

function ask(messages: number): Buffer {
  const json = Buffer.from(JSON.stringify(String(messages)));
  return Buffer.concat([Buffer.from([0, 0, 0, 0, json.length]), json]);
}

/** Streams of one connection with small windows; reading is up to the test. */
function connectHttp2({ baseUrl }: TestServer, path: string, contentType: string): () => ClientHttp2Stream {
  const session = connect(baseUrl, { settings: { initialWindowSize: 4096 } });
  onTestFinished(() => session.destroy());
  const headers = { ":method": "POST", ":path": path, "content-type": contentType };
  return () =>
    session
      .request(headers)
      .on("error", () => undefined)
      .pause();
}

const closed = (stream: ClientHttp2Stream) =>
  new Promise((resolve) => stream.once("close", () => resolve(stream.rstCode)));
const enhanceYourCalm = 11;

test("an HTTP/2 peer that never reads its streams loses them, and their generators end", async () => {
  const { count, ended } = bulk();
  const server = await startServer({ echo: { count }, limits });
  const open = connectHttp2(server, "/test.Echo/Count", "application/connect+json");
  const streams = Array.from({ length: 20 }, open);
  for (const stream of streams) stream.end(ask(1000));
  expect(await Promise.all(streams.map(closed))).toEqual(Array(20).fill(enhanceYourCalm));
  await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(20), 5000);
  expect(server.events).toEqual(Array(20).fill("stalled-reader"));
  expect(server.failures).toEqual([]);
});

test("an HTTP/2 peer that never reads a unary answer loses it", async () => {
  const server = await startServer({ limits });
  const stream = connectHttp2(server, "/test.Echo/Say", "application/json")();
  stream.end(`"${"x".repeat(10_000)}"`);
  expect(await closed(stream)).toBe(enhanceYourCalm);
});

test("an HTTP/1.1 peer that never reads is cut, and its generator ends", async () => {
  const { count, ended } = bulk();
  const server = await startServer({ echo: { count }, limits });
  const headers = { "content-type": "application/connect+json" };
  const request = httpRequest({
    host: "127.0.0.1",
    port: server.port,
    method: "POST",
    path: "/test.Echo/Count",
    headers,
  });
  onTestFinished(() => void request.destroy());
  request.on("error", () => undefined).on("response", (response) => response.on("error", () => undefined));
  request.end(ask(1_000_000));
  await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), 15_000);
  expect(server.events).toEqual(["stalled-reader"]);
  expect(server.failures).toEqual([]);
});

test("a slow reader of equal messages is not cut, though as much is unsent whenever one looks", async () => {
  const server = await startServer({ echo: bulk(20_000), limits });
  const stream = connectHttp2(server, "/test.Echo/Count", "application/connect+json")();
  stream.end(ask(36));
  expect(await readSlowly(stream)).toBeGreaterThan(36 * 20_000);
  expect(server.events).toEqual([]);
});

test("how long a stream was quiet does not count against its next message", async () => {
  const server = await startServer({
    limits: { stallMs: 600 },
    echo: {
      async *count(message) {
        yield message;
        await sleep(1600);
        yield { value: "x".repeat(20_000) };
      },
    },
  });
  const stream = connectHttp2(server, "/test.Echo/Count", "application/connect+json")();
  stream.end(ask(0));
  await sleep(2000);
  expect(await readSlowly(stream)).toBeGreaterThan(20_000);
  expect(server.events).toEqual([]);
});

async function readSlowly(stream: ClientHttp2Stream): Promise<number> {
  let read = 0;
  while (!stream.readableEnded && !stream.destroyed) {
    await sleep(20);
    const chunk: Buffer | null = stream.read();
    read += chunk?.length ?? 0;
  }
  return read;
}
