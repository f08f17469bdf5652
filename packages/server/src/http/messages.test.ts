import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { openPoster } from "./testing/post-raw.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

/** What each protocol puts around a message in the binary format. */
const forms = [
  {
    form: "Connect",
    path: "/test.Echo/Say",
    type: "application/proto",
    encoding: "content-encoding",
    wrap: plain,
    wrapCompressed: plain,
  },
  inEnvelopes("Connect stream", "Count", "application/connect+proto", "connect-content-encoding"),
  inEnvelopes("gRPC", "Say", "application/grpc"),
  inEnvelopes("gRPC stream", "Count", "application/grpc"),
  inEnvelopes("gRPC-Web", "Say", "application/grpc-web"),
  inEnvelopes("gRPC-Web stream", "Count", "application/grpc-web"),
];

function plain(data: Uint8Array): Uint8Array {
  return data;
}

function enveloped(data: Uint8Array): Uint8Array {
  return encodeEnvelope(0, data);
}

function inEnvelopes(form: string, method: string, type: string, encoding = "grpc-encoding") {
  return {
    form,
    path: `/test.Echo/${method}`,
    type,
    encoding,
    wrap: enveloped,
    wrapCompressed: (data: Uint8Array) => encodeEnvelope(1, data),
  };
}

/** A StringValue of `length` bytes in all; the length has to need a varint of three bytes. */
function textMessage(length: number): Buffer {
  const size = length - 4;
  const varint = [(size & 127) | 128, ((size >> 7) & 127) | 128, size >> 14];
  return Buffer.concat([Buffer.from([0x0a, ...varint]), Buffer.alloc(size, "0")]);
}

const readMaxBytes = 100_000;
const secret = "4111-1111";

test.each(forms)(
  "$form: a message may have readMaxBytes and not one byte more",
  async ({ path, type, wrap }) => {
    const post = openPoster(await startServer({ limits: { readMaxBytes } }));
    const fields = { "content-type": type };
    const [fits, over] = [wrap(textMessage(readMaxBytes)), wrap(textMessage(readMaxBytes + 1))];
    expect(await post(path, fields, fits)).toMatchObject({ outcome: "ok" });
    expect(await post(path, fields, over)).toMatchObject({ outcome: "resource_exhausted" });
    const sized = { ...fields, "content-length": String(over.length) };
    expect(await post(path, sized, over)).toMatchObject({ outcome: "resource_exhausted" });
    expect(await post(path, fields, fits)).toMatchObject({ outcome: "ok" });
  },
);

test("HTTP/1.1: after a message over the limit the connection is still good", async () => {
  const raw = await openRaw(await startServer({ limits: { readMaxBytes } }));
  const head = "POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/proto\r\n";
  raw.write(`${head}content-length: ${readMaxBytes + 1}\r\n\r\n`);
  raw.write(textMessage(readMaxBytes + 1));
  await raw.until((all) => all.includes("resource_exhausted"));
  raw.write(`${head}transfer-encoding: chunked\r\n\r\n${(readMaxBytes + 1).toString(16)}\r\n`);
  raw.write(textMessage(readMaxBytes + 1));
  raw.write("\r\n0\r\n\r\n");
  await raw.until((all) => all.toString("latin1").split("resource_exhausted").length === 3);
  raw.write("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
  await expect(raw.until((all) => all.includes("HTTP/1.1 200 OK"))).resolves.toBeInstanceOf(Buffer);
});

test.each(forms)(
  "$form: a compressed message counts with its full size",
  async ({ path, type, encoding, ...form }) => {
    const post = openPoster(await startServer({ limits: { readMaxBytes } }));
    const fields = { "content-type": type, [encoding]: "gzip" };
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(readMaxBytes);
    expect(await post(path, fields, form.wrapCompressed(bomb))).toMatchObject({
      outcome: "resource_exhausted",
    });
    const fits = gzipSync(textMessage(readMaxBytes));
    expect(await post(path, fields, form.wrapCompressed(fits))).toMatchObject({ outcome: "ok" });
  },
);

test.each(forms)("$form: bad or unknown compression", async ({ path, type, encoding, ...form }) => {
  const post = openPoster(await startServer());
  const send = (name: string, data: Uint8Array) =>
    post(path, { "content-type": type, [encoding]: name }, form.wrapCompressed(data));
  const good = gzipSync(textMessage(20_000));
  for (const bad of [
    Buffer.from("not gzip"),
    good.subarray(0, -9),
    Buffer.concat([good.subarray(0, 30), good]),
  ])
    expect(await send("gzip", bad)).toMatchObject({ outcome: "invalid_argument" });
  for (const unknown of ["br", "zstd", "x"]) {
    const { outcome, headers, trailers, body } = await send(unknown, good);
    expect(outcome).toBe("unimplemented");
    expect(JSON.stringify([headers, trailers, body.toString()])).toContain("gzip");
  }
});

test("answers from 16 KiB on are compressed for those who accept it", async () => {
  const server = await startServer();
  const encodingOf = async (bytes: number, accepted: string) => {
    const body = JSON.stringify("x".repeat(bytes - 2));
    const headers = { "content-type": "application/json", "accept-encoding": accepted };
    const response = await fetch(`${server.baseUrl}/test.Echo/Say`, { method: "POST", headers, body });
    expect(await response.text()).toBe(body);
    return response.headers.get("content-encoding");
  };
  expect(await encodingOf(16 * 1024 - 1, "gzip")).toBeNull();
  expect(await encodingOf(16 * 1024, "gzip")).toBe("gzip");
  expect(await encodingOf(16 * 1024, "identity")).toBeNull();
});

test.each(forms.slice(1))("$form: a length prefix that lies", async ({ path, type }) => {
  const post = openPoster(await startServer({ limits: { readMaxBytes } }));
  const send = (body: Uint8Array) => post(path, { "content-type": type }, body);
  expect(await send(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))).toMatchObject({
    outcome: "resource_exhausted",
  });
  expect(await send(Buffer.from([0, 0, 0, 0, 9, 1]))).toMatchObject({ outcome: "invalid_argument" });
  expect(await send(Buffer.from([0, 0]))).toMatchObject({ outcome: "invalid_argument" });
  expect(await send(Buffer.from([0, 0, 0, 0, 9]))).toMatchObject({ outcome: "invalid_argument" });
  expect(await send(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 9]))).toMatchObject({
    outcome: "invalid_argument",
  });
  expect(await send(Buffer.alloc(0))).toMatchObject({ outcome: "unimplemented" });
});

test.each(forms)("$form: malformed protobuf is invalid_argument and no bug", async ({ path, type, wrap }) => {
  const server = await startServer();
  const post = openPoster(server);
  const secretText = Buffer.from(secret);
  const malformed = {
    truncated: Buffer.from([0x0a, 0x7f, ...secretText]),
    "not UTF-8": Buffer.from([0x0a, 2 + secretText.length, 0xff, 0xfe, ...secretText]),
    "varint too long": Buffer.alloc(20, 0xff),
    "field number 0": Buffer.from([0x02, 0x01, 0x00]),
    "wire type 7": Buffer.from([0x0f, 0x00]),
    "end of a group that never began": Buffer.from([0x0c]),
  };
  for (const [why, data] of Object.entries(malformed)) {
    const { outcome, headers } = await post(path, { "content-type": type }, wrap(data));
    const status = type === "application/proto" ? 400 : 200;
    expect([why, outcome, headers[":status"]]).toEqual([why, "invalid_argument", status]);
  }
  expect(server.failures).toEqual([]);
});

test("malformed JSON is invalid_argument, however it is malformed", async () => {
  const server = await startServer();
  const post = openPoster(server);
  const nested = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  for (const json of ["", "{", "1", "{}", '"\ud800', `"${secret}`, "[1]", "true", "\0"])
    expect([
      json,
      (await post("/test.Echo/Say", { "content-type": "application/json" }, json)).outcome,
    ]).toEqual([json, "invalid_argument"]);
  for (const json of [nested, `{"a":${nested}}`, '{"a":}'])
    expect(await post("/test.Echo/Nest", { "content-type": "application/json" }, json)).toMatchObject({
      outcome: "invalid_argument",
    });
  expect(server.failures).toEqual([]);
});

test.each([
  ["Connect", "application/json", plain],
  ["gRPC", "application/grpc+json", enveloped],
  ["gRPC-Web", "application/grpc-web+json", enveloped],
])("%s: an error that quotes a large value still arrives", async (_, type, wrap) => {
  const post = openPoster(await startServer());
  const message = wrap(Buffer.from(`{"timestamp":"${"x".repeat(1_000_000)}"}`));
  const answer = await post("/event.EventService/IngestEvent", { "content-type": type }, message);
  expect(answer).toMatchObject({ outcome: "invalid_argument" });
  expect(JSON.stringify([answer.headers, answer.trailers, answer.body.toString()]).length).toBeLessThan(5000);
});

test.each([
  ["Connect", "application/json", plain],
  ["gRPC", "application/grpc+json", enveloped],
  ["gRPC-Web", "application/grpc-web+json", enveloped],
])("%s: an error that quotes half of a surrogate pair still arrives", async (_, type, wrap) => {
  const server = await startServer();
  const post = openPoster(server);
  for (const value of [
    "\\ud800",
    `${"x".repeat(990)}${"\u{1f600}".repeat(20)}`,
    `${"x".repeat(991)}${"\u{1f600}".repeat(20)}`,
  ]) {
    const message = wrap(Buffer.from(`{"timestamp":"${value}"}`));
    const answer = await post("/event.EventService/IngestEvent", { "content-type": type }, message);
    expect(answer).toMatchObject({ outcome: "invalid_argument" });
  }
  expect(server.failures).toEqual([]);
});
