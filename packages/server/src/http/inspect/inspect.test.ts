import { gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { EventRequestSchema, IngestBatchRequestSchema, StatusRequestSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { inspectMessages } from "./inspect.ts";
import { openPoster } from "../testing/post-raw.ts";
import { startServer } from "../testing/test-server.ts";

const refuse = (got: number) => new ConnectError(`at most 1000, got ${got}`, Code.InvalidArgument);
const messageLimits = { elements: [{ field: IngestBatchRequestSchema.field.events, max: 1000, refuse }] };
const path = "/event.EventService/IngestBatch";

/** Events with something of every kind in them, and things around them that only look like events. */
function batch(count: number) {
  const payload = '{"events":[{},{"a":"\\\\"}],"x":"\n\n\n"}';
  const event = { eventId: '{[{"', payload, timestamp: -1n, processAfter: { seconds: 1n, nanos: 2 } };
  return create(IngestBatchRequestSchema, { events: Array.from({ length: count }, () => event) });
}

function encoded(count: number, json: boolean): Uint8Array {
  if (json) return Buffer.from(toJsonString(IngestBatchRequestSchema, batch(count)));
  // A varint, eight bytes, four bytes and a text, all of field 1001 and all full of tags of field 1.
  const around = Buffer.from("c83e0ac13e0a0a0a0a0a0a0a0ac53e0a0a0a0ac23e020a0a", "hex");
  return Buffer.concat([around, toBinary(IngestBatchRequestSchema, batch(count)), around]);
}

const plain = (data: Uint8Array) => data;
const enveloped = (data: Uint8Array) => encodeEnvelope(0, data);
const enveloped2 = (data: Uint8Array) => encodeEnvelope(2, data);
const gzipped = (data: Uint8Array) => gzipSync(data);
const envelopedGzip = (data: Uint8Array) => encodeEnvelope(1, gzipSync(data));
const forms: [string, Record<string, string>, (data: Uint8Array) => Uint8Array][] = [
  ["Connect", { "content-type": "application/proto" }, plain],
  [
    "Connect that says identity",
    { "content-type": "application/proto", "content-encoding": "identity" },
    plain,
  ],
  ["Connect, gzip", { "content-type": "application/proto", "content-encoding": "gzip" }, gzipped],
  ["Connect, JSON", { "content-type": "application/json" }, plain],
  ["gRPC", { "content-type": "application/grpc" }, enveloped],
  ["gRPC with unknown flags", { "content-type": "application/grpc" }, enveloped2],
  ["gRPC, gzip", { "content-type": "application/grpc", "grpc-encoding": "gzip" }, envelopedGzip],
  ["gRPC, JSON", { "content-type": "application/grpc+json" }, enveloped],
  ["gRPC-Web", { "content-type": "application/grpc-web" }, enveloped],
];

test.each(forms)(
  "%s: a message may have as many elements as allowed, and not one more",
  async (_, fields, wrap) => {
    const post = openPoster(await startServer({ adapter: { messageLimits } }));
    const json = (fields["content-type"] ?? "").includes("json");
    // The test server has no implementation: "unimplemented" means that the message was decoded.
    expect(await post(path, fields, wrap(encoded(1000, json)))).toMatchObject({ outcome: "unimplemented" });
    const answer = await post(path, fields, wrap(encoded(1001, json)));
    expect(answer).toMatchObject({ outcome: "invalid_argument" });
    expect(JSON.stringify([answer.headers, answer.trailers, answer.body.toString()])).toMatch(
      /got(%20| )1001/,
    );
  },
);

test("messages of other types are not looked at", async () => {
  const post = openPoster(await startServer({ adapter: { messageLimits } }));
  const many = Buffer.alloc(4000);
  for (let at = 0; at < many.length; at += 2) many[at] = 0x0a;
  expect(await post("/test.Echo/Say", { "content-type": "application/proto" }, many)).toMatchObject({
    outcome: "ok",
  });
});

test("whatever the bytes are, they are counted without an error", () => {
  const inspect = inspectMessages(messageLimits);
  for (const hex of ["", "0a", "0a80", "0affffffffffffffffffff", "0b0a000c", "ff", "0f", "0a05"]) {
    inspect(Buffer.from(hex, "hex"), { schema: IngestBatchRequestSchema, json: false });
    inspect(Buffer.from(Buffer.from(hex, "hex").toString("latin1")), {
      schema: IngestBatchRequestSchema,
      json: true,
    });
  }
  const flood = Buffer.alloc(4_000_000);
  for (let at = 0; at < flood.length; at += 2) flood[at] = 0x0a;
  expect(() => inspect(flood, { schema: IngestBatchRequestSchema, json: false })).toThrow("got 2000000");
});

test("fields that are not known are left out", async () => {
  const post = openPoster(await startServer());
  const message = Buffer.from("f206010a0a0178f20600", "hex");
  const { body } = await post("/test.Echo/Say", { "content-type": "application/proto" }, message);
  expect(body.toString("hex")).toBe("0a0178");
});

test.each([
  ["bytes", "event.StatusRequest must be at most 100 bytes, got 101", Buffer.alloc(101)],
  ["levels of JSON", "event.EventRequest must be at most 32 levels, got 33", "[".repeat(33)],
  [
    "nested arrays",
    "event.EventRequest must be at most 20000 values, got 20002",
    `[${"[],".repeat(10_000)}[]]`,
  ],
  [
    "unknown keys",
    "event.EventRequest must be at most 20000 values, got 20001",
    `{${Array.from({ length: 20_001 }, (_, n) => `"${n}":1`).join()}}`,
  ],
  [
    "empty fields",
    "event.EventRequest must be at most 20000 fields, got 20001",
    Buffer.alloc(60_003, "a80200", "hex"),
  ],
])("too many %s: the answer names the limit and what came", (_, message, given) => {
  const inspect = inspectMessages({ maxSmallBytes: 100, large: [EventRequestSchema] });
  const schema = message.startsWith(EventRequestSchema.typeName) ? EventRequestSchema : StatusRequestSchema;
  const act = () => inspect(Buffer.from(given), { schema, json: typeof given === "string" });
  expect(act).toThrow(new ConnectError(message, Code.InvalidArgument));
});
