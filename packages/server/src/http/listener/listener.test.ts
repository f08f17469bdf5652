import { once } from "node:events";
import { connect } from "node:http2";
import { connect as connectTls } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { createListener } from "./listener.ts";
import { selfSigned } from "../testing/certificate.ts";
import { hello, parseFrames, request } from "../testing/http2-frames.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

const tls = selfSigned();
const get = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const modes = [
  ["cleartext", undefined],
  ["TLS", tls],
] as const;

/** An answer that a test holds back. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    release: resolve,
    async say() {
      reached.resolve();
      await promise;
      return { value: "late" };
    },
  };
}

const sayOverHttp1 =
  'POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n"x"';

test.each(modes)("%s: HTTP/1.1 and HTTP/2 on one port", async (_, mode) => {
  const { port, baseUrl, cert } = await startServer({ tls: mode });
  const raw = await openRaw({ port, cert });
  raw.write(get);
  expect((await raw.until((all) => all.includes("fallback"))).toString()).toMatch(/^HTTP\/1.1 200 OK\r\n/);

  const session = connect(baseUrl, cert === undefined ? {} : { ca: cert });
  onTestFinished(() => session.destroy());
  const [headers] = await once(session.request({ ":path": "/healthz" }), "response");
  expect(headers).toMatchObject({ ":status": 200 });
});

test("a client without ALPN gets HTTP/1.1, one with a foreign protocol an alert", async () => {
  const server = await startServer({ tls });
  const raw = await openRaw({ ...server, alpn: [] });
  raw.write(get);
  await raw.until((all) => all.includes("HTTP/1.1 200 OK"));
  await expect(openRaw({ ...server, alpn: ["foreign"] })).rejects.toThrow(/alert/i);
  expect(server.events).toEqual(["tls-error"]);
});

test.each([
  ["TLS 1.1", { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" } as const],
  [
    "a suite without authenticated encryption",
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" } as const,
  ],
])("a client that only has %s gets an alert", async (_, options) => {
  const { port, events } = await startServer({ tls });
  const socket = connectTls({ host: "127.0.0.1", port, ca: tls.cert, servername: "localhost", ...options });
  await expect(once(socket, "secureConnect")).rejects.toThrow(/alert/i);
  expect(events).toEqual(["tls-error"]);
});

test("a TLS handshake that never comes ends the connection", async () => {
  const { port, events } = await startServer({ tls, limits: { tlsHandshakeMs: 100 } });
  const raw = await openRaw({ port });
  await raw.closed;
  expect(events).toEqual(["tls-error"]);
});

test("an address that cannot be had is one line that names it", async () => {
  const { port } = await startServer();
  const second = createListener(() => undefined);
  await expect(second.listen({ host: "127.0.0.1", port })).rejects.toThrow(
    `127.0.0.1:${port} is already in use`,
  );
  await expect(second.listen({ host: "192.0.2.1", port: 0 })).rejects.toThrow(
    "192.0.2.1:0 is not an address of this machine",
  );
  second.stop();
  await second.closed;
});

test.each([
  ["a header that stalls", "GET / HTTP/1.1\r\nhost: a\r\n", /^HTTP\/1.1 408 /],
  [
    "a body that stalls",
    "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab",
    /HTTP\/1.1 408 /,
  ],
  [
    "a header over its limit",
    `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1.1 431 /,
  ],
  [
    "both length headers",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    /^HTTP\/1.1 400 /,
  ],
  [
    "two lengths",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    /^HTTP\/1.1 400 /,
  ],
  ["bare LF", "GET /healthz HTTP/1.1\nhost: a\n\n", /^HTTP\/1.1 400 /],
  ["a folded header", "GET /healthz HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n", /^HTTP\/1.1 400 /],
  ["a space before the colon", "GET /healthz HTTP/1.1\r\nhost : a\r\n\r\n", /^HTTP\/1.1 400 /],
])("HTTP/1.1: %s ends the connection", async (_, data, answer) => {
  const raw = await openRaw(await startServer({ limits: { headersMs: 200, receiveMs: 400 } }));
  raw.write(data);
  expect((await raw.closed).toString()).toMatch(answer);
});

test.each(modes)("%s: after stop, HTTP/1.1 answers what is in flight and closes", async (_, mode) => {
  const answer = held();
  const { listener, ...server } = await startServer({ tls: mode, echo: answer });
  const [busy, idle] = [await openRaw(server), await openRaw(server)];
  idle.write(get);
  await idle.until((all) => all.includes("fallback"));
  busy.write(sayOverHttp1);
  await answer.reached;

  listener.stop();
  await idle.closed;
  await expect(openRaw(server)).rejects.toThrow("ECONNREFUSED");
  answer.release();
  const text = (await busy.closed).toString();
  expect(text).toContain('"late"');
  expect(text).toMatch(/\r\nconnection: close\r\n/i);
  await listener.closed;
});

test.each(modes)("%s: after stop, HTTP/2 sends GOAWAY and answers what is in flight", async (_, mode) => {
  const answer = held();
  const { listener, baseUrl, cert } = await startServer({ tls: mode, echo: answer });
  const session = connect(baseUrl, cert === undefined ? {} : { ca: cert });
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/test.Echo/Say",
    "content-type": "application/json",
  });
  let body = "";
  stream.on("data", (chunk: Buffer) => (body += chunk.toString())).end('"x"');
  await answer.reached;

  const goaway = once(session, "goaway");
  listener.stop();
  await goaway;
  answer.release();
  await listener.closed;
  expect(body).toBe('"late"');
});

test("after stop, a request that was waiting behind a stream is answered, too, and ends the connection", async () => {
  const hold = Promise.withResolvers<void>();
  const { listener, ...server } = await startServer({
    echo: {
      async *count(message) {
        yield message;
        await hold.promise;
      },
    },
  });
  const raw = await openRaw(server);
  raw.write("POST /test.Echo/Count HTTP/1.1\r\nhost: a\r\ncontent-type: application/connect+json\r\n");
  raw.write(
    Buffer.concat([
      Buffer.from("content-length: 8\r\n\r\n"),
      Buffer.from([0, 0, 0, 0, 3]),
      Buffer.from('"x"'),
    ]),
  );
  await raw.until((all) => all.includes('"x"'));
  raw.write(get);
  listener.stop();
  hold.resolve();
  const [, second] = (await raw.closed).toString("latin1").split("\r\n0\r\n\r\n");
  expect(second).toMatch(/^HTTP\/1.1 200 OK\r\n.*connection: close.*fallback/is);
  await listener.closed;
});

test("stop ends connections that have not said a word", async () => {
  const { listener, ...server } = await startServer({ limits: { sniffMs: 60_000 } });
  const raws = [await openRaw(server), await openRaw(server)];
  raws[1]?.write("PRI");
  listener.stop();
  const received = await Promise.all(raws.map(({ closed }) => closed));
  expect(received.map(({ length }) => length)).toEqual([0, 0]);
  await listener.closed;
});

test("while it stops, requests still have to come in time", async () => {
  const { listener, ...server } = await startServer({ limits: { headersMs: 300, receiveMs: 600 } });
  const [header, body] = [await openRaw(server), await openRaw(server)];
  header.write("GET / HTTP/1.1\r\n");
  body.write(sayOverHttp1.slice(0, -1));
  // The server has seen both once it has answered a third.
  const third = await openRaw(server);
  third.write(get);
  await third.until((all) => all.includes("fallback"));
  listener.stop();
  await listener.closed;
  expect((await header.closed).toString()).toMatch(/^HTTP\/1.1 408 /);
  expect((await body.closed).toString()).toMatch(/^HTTP\/1.1 408 /);
});

test.each(modes)("%s: destroy cuts everything", async (_, mode) => {
  const answer = held();
  const { listener, ...server } = await startServer({ tls: mode, echo: answer });
  const http1 = await openRaw(server);
  http1.write(sayOverHttp1);
  await answer.reached;
  const http2 = await openRaw({ ...server, alpn: ["h2"] });
  http2.write(hello);
  http2.write(
    request(
      { ":method": "POST", ":scheme": "http", ":path": "/test.Echo/Chat", ":authority": "a" },
      { end: false },
    ),
  );
  await http2.until((all) => parseFrames(all).length > 0);
  const silent = await openRaw({ port: server.port });

  listener.destroy();
  await Promise.all([http2.closed, silent.closed, listener.closed]);
  expect(await http1.closed).toHaveLength(0);
  answer.release();
});
