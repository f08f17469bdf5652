import { once } from "node:events";
import { connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, onTestFinished, test } from "vitest";
import { openPoster } from "../testing/post-raw.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";

interface Sent {
  outcome: string;
  /** The whole answer. */
  text: string;
}

type Send = (server: TestServer, json: Uint8Array) => Promise<Sent>;
type Wrap = (data: Uint8Array) => Uint8Array;

function post(path: string, fields: Record<string, string>, wrap: Wrap = (data) => data): Send {
  return async (server, json) => {
    const { outcome, body, headers, trailers } = await openPoster(server)(path, fields, wrap(json));
    const message = { ...headers, ...trailers }["grpc-message"];
    return { outcome, text: decodeURIComponent(String(message ?? body)) };
  };
}

function get(query: (json: Uint8Array) => string): Send {
  return async ({ baseUrl }, json) => {
    const answer = await fetch(`${baseUrl}/test.Echo/Get?connect=v1&encoding=json&${query(json)}`);
    const text = await answer.text();
    const { code = "ok" }: { code?: string } = JSON.parse(text);
    return { outcome: code, text };
  };
}

const plain = (data: Uint8Array) => encodeEnvelope(0, data);
const zipped = (data: Uint8Array) => encodeEnvelope(1, gzipSync(data));
const percent = (data: Uint8Array) => Buffer.from(data).toString("hex").replaceAll(/../g, "%$&");
const base64 = (data: Uint8Array) => Buffer.from(data).toString("base64url");
const gzip = { "grpc-encoding": "gzip", "content-encoding": "gzip", "connect-content-encoding": "gzip" };

/** Calls of a method in a protocol of envelopes, compressed and not. */
function inEnvelopes(name: string, method: string, type: string): [string, Send][] {
  const fields = { "content-type": type };
  return [
    [name, post(`/test.Echo/${method}`, fields, plain)],
    [`${name}, gzip`, post(`/test.Echo/${method}`, { ...fields, ...gzip }, zipped)],
  ];
}

/** Every way of JSON into the server. */
const ways: [name: string, send: Send][] = [
  ["Connect", post("/test.Echo/Say", { "content-type": "application/json" })],
  [
    "Connect, charset in other words",
    post("/test.Echo/Say", { "content-type": "application/json;charset=utf8" }),
  ],
  [
    "Connect, gzip",
    post("/test.Echo/Say", { "content-type": "application/json", ...gzip }, (data) => gzipSync(data)),
  ],
  ["GET", get((json) => `message=${percent(json)}`)],
  ["GET, base64", get((json) => `base64=1&message=${base64(json)}`)],
  ["GET, base64, gzip", get((json) => `base64=1&compression=gzip&message=${base64(gzipSync(json))}`)],
  ...inEnvelopes("gRPC", "Say", "application/grpc+json"),
  ...inEnvelopes("gRPC-Web", "Say", "application/grpc-web+json"),
  ...inEnvelopes("Connect, stream of answers", "Count", "application/connect+json"),
  ...inEnvelopes("Connect, stream of requests", "Chat", "application/connect+json"),
  ...inEnvelopes("gRPC, stream of answers", "Count", "application/grpc+json"),
  ...inEnvelopes("gRPC, stream of requests", "Chat", "application/grpc+json"),
  ...inEnvelopes("gRPC-Web, stream of requests", "Chat", "application/grpc-web+json"),
];

test.each(ways)("%s: JSON that is not UTF-8 is refused, not repaired", async (_, send) => {
  const server = await startServer();
  for (const bytes of ["e9", "c3", "eda080", "c0af", "f5808080"]) {
    const { outcome, text } = await send(server, Buffer.from(`22636166${bytes}22`, "hex"));
    expect([bytes, outcome]).toEqual([bytes, "invalid_argument"]);
    expect(text).toContain("google.protobuf.StringValue must be JSON in UTF-8, got other bytes");
  }
  for (const right of ['"café, 漢, 😀, \uFFFD"', '\uFEFF"\\ud83d\\ude00"'])
    expect(await send(server, Buffer.from(right))).toMatchObject({ outcome: "ok" });
});

test.each(ways)("%s: JSON of too many values is refused", async (_, send) => {
  const server = await startServer({ limits: { maxHeaderBytes: 200_000 } });
  const { outcome, text } = await send(server, Buffer.from(`[${"[],".repeat(10_000)}[]]`));
  expect(outcome).toBe("invalid_argument");
  expect(text).toContain("google.protobuf.StringValue must be at most 20000 values, got 20002");
});

test("a path with bytes that are not ASCII is malformed, over either version of HTTP", async () => {
  const server = await startServer();
  const path = `/test.Echo/Get?connect=v1&encoding=json&message="caf\u00e9"`;
  const session = connect(server.baseUrl);
  onTestFinished(() => session.destroy());
  const [{ ":status": status }] = await once(session.request({ ":path": path }), "response");
  expect(status).toBe(400);
  const raw = await openRaw(server);
  raw.write(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`, "latin1"));
  expect((await raw.closed).toString()).toContain("400 Bad Request");
});
