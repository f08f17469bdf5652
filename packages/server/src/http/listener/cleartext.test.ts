import { expect, test, vi } from "vitest";
import { flag, hello, parseFrames, request } from "../testing/http2-frames.ts";
import { openRaw, type RawSocket } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

const http1 = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const http2 = Buffer.concat([
  hello,
  request({ ":method": "GET", ":scheme": "http", ":path": "/healthz", ":authority": "a" }),
]);

const isHttp1Answer = (all: Buffer) =>
  all.includes("fallback") && all.toString("latin1").startsWith("HTTP/1.1 200");
const isHttp2Answer = (all: Buffer) =>
  parseFrames(all).some(
    ({ type, flags, streamId }) => type === "DATA" && streamId === 1 && (flags & flag.endStream) > 0,
  );

/** Lets what was written arrive as a packet of its own; if it does not, the case is only less strict. */
const packet = () => new Promise((resolve) => setTimeout(resolve, 2));

async function writeInPieces(raw: RawSocket, pieces: readonly (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    raw.write(piece);
    await packet();
  }
}

const bytesOf = (data: Buffer) => Array.from(data, (byte) => Buffer.from([byte]));

test.each([
  ["in one packet", [http2]],
  ["byte by byte", bytesOf(http2)],
  ["the preface alone first", [hello.subarray(0, 24), http2.subarray(24)]],
  ["split inside the preface", [http2.subarray(0, 2), http2.subarray(2)]],
])("HTTP/2 %s", async (_, pieces) => {
  const raw = await openRaw(await startServer());
  await writeInPieces(raw, pieces);
  await expect(raw.until(isHttp2Answer)).resolves.toBeInstanceOf(Buffer);
});

test.each([
  ["in one packet", [http1]],
  ["byte by byte", bytesOf(Buffer.from(http1))],
])("HTTP/1.1 %s", async (_, pieces) => {
  const raw = await openRaw(await startServer());
  await writeInPieces(raw, pieces);
  await expect(raw.until(isHttp1Answer)).resolves.toBeInstanceOf(Buffer);
});

test("a method that begins as the preface of HTTP/2 does is HTTP/1.1", async () => {
  const raw = await openRaw(await startServer());
  await writeInPieces(raw, ["PR", "OPFIND /healthz HTTP/1.1\r\nhost: a\r\n\r\n"]);
  await expect(raw.until(isHttp1Answer)).resolves.toBeInstanceOf(Buffer);
});

test("a preface with a wrong byte late in it is malformed HTTP/1.1", async () => {
  const raw = await openRaw(await startServer());
  await writeInPieces(raw, [hello.subarray(0, 20), "XX\r\n"]);
  expect((await raw.closed).toString()).toMatch(/^HTTP\/1.1 400 /);
});

test("TLS on the cleartext port is malformed HTTP/1.1", async () => {
  const raw = await openRaw(await startServer());
  raw.write(Buffer.from("16030100050100000100", "hex"));
  expect((await raw.closed).toString()).toMatch(/^HTTP\/1.1 400 /);
});

test.each([
  ["nothing", ""],
  ["half a preface", hello.subarray(0, 12)],
])("a connection that sends %s is closed in time", async (_, data) => {
  const server = await startServer({ limits: { sniffMs: 100 } });
  const raw = await openRaw(server);
  raw.write(data);
  expect(await raw.closed).toHaveLength(0);
  expect(server.events).toEqual(["sniff-timeout"]);
});

test("the time to tell the protocol does not count once it is told", async () => {
  const server = await startServer({ limits: { sniffMs: 100 } });
  const raw = await openRaw(server);
  raw.write("GET /healthz HTTP/1.1\r\nhost: a\r\n");
  await new Promise((resolve) => setTimeout(resolve, 200));
  raw.write("\r\n");
  await expect(raw.until(isHttp1Answer)).resolves.toBeInstanceOf(Buffer);
});

test.each([
  ["nothing", []],
  ["half a preface", [hello.subarray(0, 12)]],
  ["an HTTP/2 request", [http2]],
  ["an HTTP/1.1 request", [http1]],
])("a client that ends with FIN after %s leaves nothing open", async (_, pieces) => {
  const { listener, ...server } = await startServer();
  const raw = await openRaw(server);
  await writeInPieces(raw, pieces);
  raw.end();
  await raw.closed;
  const connections = () =>
    new Promise((resolve) => listener.http1.getConnections((_error, count) => resolve(count)));
  await vi.waitFor(async () => expect(await connections()).toBe(0), 5000);
});
