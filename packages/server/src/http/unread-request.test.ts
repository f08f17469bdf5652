import { describe, expect, test, vi } from "vitest";
import { selfSigned } from "./testing/certificate.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

const limits = { readMaxBytes: 128 * 1024, maxBytesInFlight: 256 * 1024 };
/** In ms, for what takes one second. */
const soon = 5000;

const head = (path: string, length: number, more: string) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\n${more}content-length: ${length}\r\n\r\n`;

const json = "content-type: application/json\r\n";
const grpcWeb = "content-type: application/grpc-web+proto\r\n";
const stream = "content-type: application/connect+proto\r\n";
const refusals = [
  ["a message that is too large", "/test.Echo/Say", json],
  ["a compressed one", "/test.Echo/Say", `${json}content-encoding: gzip\r\n`],
  ["a message of gRPC-Web that is too large", "/test.Echo/Say", grpcWeb],
  ["one for a stream of answers", "/test.Echo/Count", stream],
  ["one for a stream of answers of gRPC-Web", "/test.Echo/Count", grpcWeb],
  ["one of a stream of requests", "/test.Echo/Join", stream],
  ["an unknown path", "/none", json],
  ["an unknown rpc of gRPC-Web", "/none", grpcWeb],
  ["an unknown content type", "/test.Echo/Say", "content-type: text/plain\r\n"],
] as const;

/** The header of any answer. */
const answer = /HTTP\/1.1 [245]/;

/** More than is allowed, and than is read of what nobody asked for; to some it is a message of 2 GB. */
const begin = "x".repeat(200_000);

describe.each(refusals)("HTTP/1.1: after %s is refused", (_, path, fields) => {
  test("a connection on which the rest never comes ends soon", async () => {
    const server = await startServer({ limits });
    const raw = await openRaw(server);
    raw.write(head(path, 500_000, fields) + begin);
    await raw.until((all) => answer.test(all.toString("latin1")));
    const start = performance.now();
    server.listener.stop();
    await server.listener.closed;
    expect(performance.now() - start).toBeLessThan(soon);
  });

  test("a peer that is gone is noticed", async () => {
    const server = await startServer({ limits });
    const raw = await openRaw(server);
    raw.write(head(path, 500_000, fields) + begin);
    await raw.until((all) => answer.test(all.toString("latin1")));
    raw.destroy();
    const start = performance.now();
    const connections = () =>
      new Promise((resolve) => server.listener.http1.getConnections((_error, count) => resolve(count)));
    await vi.waitFor(async () => expect(await connections()).toBe(0), { timeout: soon, interval: 50 });
    expect(performance.now() - start).toBeLessThan(soon);
  });

  describe.each([
    ["cleartext", undefined],
    ["TLS", selfSigned()],
  ])("over %s", (_mode, tls) => {
    test("its connection serves the next request once the rest has come", async () => {
      const server = await startServer({ limits, tls });
      const raw = await openRaw(server);
      raw.write(head(path, 2 * begin.length, fields) + begin);
      await raw.until((all) => answer.test(all.toString("latin1")));
      raw.write(`${begin}${head("/test.Echo/Say", 3, json)}"y"`);
      const all = await raw.until((received) => received.includes('"y"'));
      expect(all.toString("latin1")).not.toMatch(/connection: close/i);
      expect(server.failures).toEqual([]);
    });

    test.each([
      ["asks for the end of the connection", "1.1", "connection: close\r\n"],
      ["speaks HTTP/1.0", "1.0", ""],
    ])("a peer that %s gets the answer and an orderly end", async (_peer, version, field) => {
      const server = await startServer({ tls });
      const raw = await openRaw(server);
      // More than fits into the buffers of the kernel, so that the answer comes while it is sent.
      const body = begin.repeat(60);
      raw.write(head(path, body.length, fields + field).replace("HTTP/1.1", `HTTP/${version}`) + body);
      expect((await raw.closed).toString("latin1")).toMatch(answer);
      expect(raw.broken()).toBe(false);
    });

    test("a peer that goes on for ever is told that the connection closes, and cut", async () => {
      const server = await startServer({ limits, tls });
      const raw = await openRaw({ ...server, allowHalfOpen: true });
      raw.write(head(path, 1_000_000_000, fields));
      await raw.flood(begin);
      expect(raw.received().toString("latin1")).toMatch(/^HTTP\/1.1 [245].*connection: close/is);
    });

    test("one that does not say how long it goes on is cut, too", async () => {
      const server = await startServer({ limits, tls });
      const raw = await openRaw({ ...server, allowHalfOpen: true });
      raw.write(`POST ${path} HTTP/1.1\r\nhost: a\r\n${fields}transfer-encoding: chunked\r\n\r\n`);
      await raw.flood(`${begin.length.toString(16)}\r\n${begin}\r\n`);
      expect(raw.received().toString("latin1")).toMatch(answer);
    });
  });
});
