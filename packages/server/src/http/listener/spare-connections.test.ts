import { once } from "node:events";
import { connect } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health } from "@event-ingestion/grpc-health";
import { expect, onTestFinished, test, vi } from "vitest";
import { selfSigned } from "../testing/certificate.ts";
import { Echo } from "../testing/echo.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";
import { spareConnections } from "./spare-connections.ts";

const get = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const post =
  'POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n"x"';

/** A server whose connections are all taken, by clients that were answered and keep them. */
async function startFull(tls?: { key: string; cert: string }): Promise<TestServer> {
  const server = await startServer({ tls, limits: { maxConnections: 5 } });
  const raws = await Promise.all(Array.from({ length: 5 }, () => openRaw(server)));
  for (const raw of raws) {
    raw.write(get);
    await raw.until((all) => all.includes("fallback"));
  }
  return server;
}

test.each(["cleartext", "TLS"])(
  "%s, at the limit of connections: a probe is answered, and nothing else",
  async (mode) => {
    const server = await startFull(mode === "TLS" ? selfSigned() : undefined);
    const probe = await openRaw(server);
    probe.write(get);
    expect((await probe.closed).toString()).toMatch(/^HTTP\/1.1 200 .*connection: close.*fallback/is);
    expect(server.events).toEqual([]);

    const other = await openRaw(server);
    other.write(post);
    expect((await other.closed).toString()).toMatch(
      /^HTTP\/1.1 503 .*retry-after: 1.*too many connections/is,
    );
    expect(server.events).toEqual(["connection-limit"]);
  },
);

test("over HTTP/2, too: the health check of gRPC and a GET", async () => {
  const server = await startFull();
  const transport = createGrpcTransport(server);
  expect(await createClient(Health, transport).check({})).toMatchObject({ status: 1 });
  await expect(createClient(Echo, transport).say({ value: "x" })).rejects.toThrow("[unavailable] HTTP 503");
  const session = connect(server.baseUrl);
  onTestFinished(() => session.destroy());
  const [headers] = await once(session.request({ ":path": "/healthz" }), "response");
  expect(headers[":status"]).toBe(200);
});

test("a connection has its place again once another one is gone", async () => {
  const server = await startServer({ limits: { maxConnections: 1 } });
  const first = await openRaw(server);
  first.write(post);
  await first.until((all) => all.includes('"x"'));
  first.destroy();
  const ask = async () => {
    const next = await openRaw(server);
    next.write(post);
    return next.until((all) => all.includes('"x"') || all.includes("503"));
  };
  await vi.waitFor(async () => expect((await ask()).toString()).toContain("200 OK"), 5000);
});

test("those beyond the limit that ask nothing are closed soon, and more are dropped, and all are counted", async () => {
  const server = await startServer({ limits: { maxConnections: 1, sniffMs: 60_000, headersMs: 500 } });
  const raws = [];
  for (let n = 0; n < 1 + spareConnections + 2; n++) raws.push(await openRaw(server));
  await vi.waitFor(() => expect(server.events).toEqual(["connection-limit", "connection-limit"]), 5000);
  const [first, ...others] = raws;
  await Promise.all(others.map((raw) => raw.closed));
  expect(server.events).toEqual(Array(spareConnections + 2).fill("connection-limit"));
  first?.write(get);
  await first?.until((all) => all.includes("fallback"));
});
