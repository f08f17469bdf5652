import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import {
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  StringValueSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { EventResponseSchema, IngestBatchResponseSchema, StatusResponseSchema } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { ClaimResponseSchema } from "@event-ingestion/api/worker/v1";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../testing/random.ts";
import { createEncoder } from "./proto-encoder.ts";

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

const schemas: DescMessage[] = [
  ...[EventResponseSchema, ClaimResponseSchema, RetryInfoSchema].flatMap(({ file }) => file.messages),
  AnySchema,
  DurationSchema,
  FieldMaskSchema,
  StringValueSchema,
  ValueSchema,
];

const texts = [
  "",
  "a",
  "\u0000",
  "é",
  "\u{1f600}",
  "\ud800",
  "x".repeat(127),
  "ß".repeat(64),
  "y".repeat(70_000),
] as const;
const integers = [0, 1, -1, 127, 128, 16_384, 2 ** 31 - 1, -(2 ** 31)] as const;
const bigIntegers = [0n, 1n, -1n, 127n, 128n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)] as const;

function value(random: Random, field: DescField, depth: number): unknown {
  if (field.fieldKind === "list")
    return Array.from({ length: random.int(4) }, () => element(random, field, depth));
  if (field.fieldKind === "map") return random.int(2) === 0 ? {} : { key: element(random, field, depth) };
  return element(random, field, depth);
}

function element(random: Random, field: DescField, depth: number): unknown {
  if (field.message !== undefined)
    return depth > 3 ? create(field.message) : message(random, field.message, depth + 1);
  switch (field.scalar) {
    case ScalarType.STRING:
      return random.pick(texts);
    case ScalarType.BYTES:
      return random.bytes(random.int(200));
    case ScalarType.BOOL:
      return random.int(2) === 0;
    case ScalarType.UINT64:
      return random.pick([0n, 1n, 300n, 2n ** 64n - 1n]);
    case ScalarType.INT64:
      return random.pick(bigIntegers);
    case ScalarType.UINT32:
      return random.pick([0, 1, 300, 2 ** 32 - 1]);
    default:
      return random.pick(integers);
  }
}

/** Some fields of the message, with values that are at a limit more often than not. */
function message(random: Random, schema: DescMessage, depth = 0): Message {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (random.int(3) === 0) continue;
    if (field.oneof === undefined) init[field.localName] = value(random, field, depth);
    else init[field.oneof.localName] = { case: field.localName, value: value(random, field, depth) };
  }
  return create(schema, init);
}

test(`every message of ours is encoded as protobuf-es does, or left to it (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const encoded = new Set<string>();
  for (const schema of schemas) {
    const encode = createEncoder(schema);
    for (let n = 0; n < 100; n++) {
      const given = message(random, schema);
      const bytes = encode(given);
      if (bytes === undefined) continue;
      const hex = Buffer.from(toBinary(schema, given)).toString("hex");
      expect([schema.typeName, bytes.toString("hex")]).toEqual([schema.typeName, hex]);
      encoded.add(schema.typeName);
    }
  }
  for (const name of [
    "event.EventResponse",
    "event.IngestBatchResponse",
    "event.StatusResponse",
    "event.worker.v1.ClaimResponse",
  ])
    expect(encoded).toContain(name);
  for (const name of ["google.protobuf.Value", "google.protobuf.FieldMask"])
    expect(encoded).not.toContain(name);
});

test("values that do not belong into a message are left to protobuf-es, which says what is wrong", () => {
  const encode = createEncoder(StatusResponseSchema);
  const wrong: [string, unknown][] = [
    ["status", 7],
    ["attempts", -1],
    ["attempts", 1.5],
    ["attempts", Number.NaN],
    ["revision", 1],
    ["revision", -1n],
    ["revision", 2n ** 64n],
    ["cancelRequested", "yes"],
    ["acceptedAt", create(DurationSchema)],
    ["acceptedAt", null],
    ["$typeName", "other.Message"],
    ["$unknown", [{ no: 99, wireType: 0, data: new Uint8Array([1]) }]],
  ];
  for (const [name, unfit] of wrong) {
    const given = { ...create(StatusResponseSchema, { status: "done" }), [name]: unfit };
    expect([name, encode(given)]).toEqual([name, undefined]);
  }
  expect(encode(create(StatusResponseSchema))?.length).toBe(0);
});

test("a long list of messages, and after it short ones", () => {
  const encode = createEncoder(IngestBatchResponseSchema);
  for (const count of [20_000, 1, 0, 1000]) {
    const results = Array.from({ length: count }, (_, n) => ({
      message: "m".repeat(n % 300),
      jobId: `${n}`,
    }));
    const given = create(IngestBatchResponseSchema, { results });
    expect(encode(given)?.equals(toBinary(IngestBatchResponseSchema, given))).toBe(true);
  }
});
