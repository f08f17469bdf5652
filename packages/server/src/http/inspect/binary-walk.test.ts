import { create, type DescMessage, mergeFromBinary, toBinary } from "@bufbuild/protobuf";
import { EventService, IngestBatchRequestSchema } from "@event-ingestion/api";
import { SettleRequestSchema, WorkerService } from "@event-ingestion/api/worker/v1";
import { ListValueSchema, StructSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "../testing/random.ts";
import { walkBinary } from "./binary-walk.ts";

// SEED repeats a run, INPUTS=1000000 makes a long one.
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const inputs = Number(process.env.INPUTS ?? 5000);

/** Messages with a list that is to be counted. */
const lists: [name: string, schema: DescMessage, list: string, sample: Uint8Array][] = [
  ["events", IngestBatchRequestSchema, "events", sampleBatch()],
  ["verdicts", SettleRequestSchema, "verdicts", sampleSettle()],
  ["values of google.protobuf.ListValue", ListValueSchema, "values", sampleList()],
];

function sampleBatch(): Uint8Array {
  const event = {
    eventId: "e",
    payload: "\n\x01\n",
    timestamp: -1n,
    processAfter: { seconds: 300n, nanos: 7 },
  };
  return toBinary(IngestBatchRequestSchema, create(IngestBatchRequestSchema, { events: [event, {}, event] }));
}

function verdict(outcome: object) {
  return { jobId: "j", attempt: 300, outcome };
}

function sampleSettle(): Uint8Array {
  const init = {
    session: { id: "s", ttl: { seconds: 60n } },
    verdicts: [
      verdict({ case: "succeeded", value: { result: "r" } }),
      verdict({ case: "retry", value: { error: "\n", delay: { seconds: 1n, nanos: 500 } } }),
      verdict({ case: "released", value: {} }),
    ],
  };
  return toBinary(SettleRequestSchema, create(SettleRequestSchema, init as object));
}

function sampleList(): Uint8Array {
  const text = { kind: { case: "stringValue", value: "x" } } as const;
  const nested = create(ValueSchema, {
    kind: { case: "structValue", value: { fields: { a: text, b: text } } },
  });
  return toBinary(ListValueSchema, create(ListValueSchema, { values: [nested, nested] }));
}

interface Decoded {
  elements: number;
  complete: boolean;
}

/** What protobuf-es makes of it, up to where it gives up. */
function decode(schema: DescMessage, list: string, bytes: Uint8Array): Decoded {
  const message = create(schema);
  const elements = () => Number(Reflect.get(Reflect.get(message, list), "length"));
  try {
    mergeFromBinary(schema, message, bytes, { readUnknownFields: false });
    return { elements: elements(), complete: true };
  } catch {
    return { elements: elements(), complete: false };
  }
}

function count(schema: DescMessage, list: string, bytes: Uint8Array): number {
  return walkBinary(bytes, schema, schema.field[list]?.number ?? 0).elements;
}

/** Where protobuf-es gives up, it must not have decoded more than was counted. */
function isRight(decoded: Decoded, counted: number): boolean {
  return decoded.complete ? counted === decoded.elements : counted >= decoded.elements;
}

test.each(lists)(
  `%s: as many are counted as decoded, whatever the bytes are, from seed ${seed}`,
  { timeout: 20_000 + inputs },
  (_, schema, list, sample) => {
    const random = seededRandom(seed);
    const wrong: string[] = [];
    let compared = 0;
    for (let n = 0; n < inputs; n++) {
      const bytes = malformed(random, sample);
      const decoded = decode(schema, list, bytes);
      if (!isRight(decoded, count(schema, list, bytes))) wrong.push(bytes.toString("hex"));
      if (decoded.complete && decoded.elements > 0) compared++;
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(inputs / 100);
  },
);

/** Bytes that are a message in part. */
function malformed(random: Random, sample: Uint8Array): Buffer {
  const parts = Array.from({ length: 1 + random.int(6) }, () =>
    random.int(3) === 0 ? spoiled(random, sample) : field(random, 0),
  );
  return Buffer.concat(parts);
}

function spoiled(random: Random, sample: Uint8Array): Buffer {
  const bytes = Buffer.from(sample);
  for (let faults = random.int(3); faults > 0; faults--) bytes[random.int(bytes.length)] = random.int(256);
  return random.int(4) === 0 ? bytes.subarray(0, random.int(bytes.length)) : bytes;
}

/** A field of any number and wire type, with a length that is right, wrong or written in more bytes than it needs. */
function field(random: Random, depth: number): Buffer {
  const wireType = random.pick([0, 1, 2, 2, 2, 2, 3, 4, 5]);
  const number = random.pick([1, 1, 2, 2, 3, 5, 7, 99, 536_870_911]);
  const tag = varint(random, number * 8 + wireType);
  if (wireType === 1) return Buffer.concat([tag, random.bytes(8)]);
  if (wireType === 5) return Buffer.concat([tag, random.bytes(4)]);
  if (wireType === 0) return Buffer.concat([tag, varint(random, random.int(1000))]);
  const inner = depth < 4 ? Array.from({ length: random.int(4) }, () => field(random, depth + 1)) : [];
  const content = Buffer.concat(inner);
  if (wireType === 3) return Buffer.concat([tag, content, varint(random, number * 8 + 4)]);
  if (wireType === 4) return tag;
  const length = random.pick([
    content.length,
    content.length,
    content.length,
    random.int(20),
    2 ** 32 + content.length,
  ]);
  return Buffer.concat([tag, varint(random, length), content]);
}

/** Mostly in as few bytes as it takes. */
function varint(random: Random, value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(Math.floor(value / 128 ** bytes.length));
  for (let more = random.pick([0, 0, 0, 0, 0, 1, 3, 9]); more > 0; more--) {
    bytes.push((bytes.pop() ?? 0) | 128, 0);
  }
  return Buffer.from(bytes);
}

test.each([
  ["a length of more than 32 bits, of which protobuf-es takes the last", "0a8080808080010a000a00", 3],
  ["a length in more bytes than it needs", "0a8280000a000a00", 2],
  ["a field in an element that is longer than the element", "0a010a020a000a00", 2],
  ["a wire type that is not that of the field", "08000a00", 2],
  ["a group that is not known, with elements in it", "9b060a000a009c060a00", 1],
  ["a list of a field that is not known", "9a06040a000a000a00", 1],
])("%s is no way round the count", (_, hex, elements) => {
  const bytes = Buffer.from(hex, "hex");
  expect(decode(IngestBatchRequestSchema, "events", bytes)).toEqual({ elements, complete: true });
  expect(count(IngestBatchRequestSchema, "events", bytes)).toBe(elements);
});

test("fields of all levels are counted, known or not", () => {
  const bytes = Buffer.from(
    toBinary(
      StructSchema,
      create(StructSchema, { fields: { a: { kind: { case: "listValue", value: { values: [{}, {}] } } } } }),
    ),
  );
  // The entry, its key and its value, the list, and its two elements.
  expect(walkBinary(bytes, StructSchema, 0).fields).toBe(6);
  expect(walkBinary(Buffer.from("98060098060a", "hex"), StructSchema, 0).fields).toBe(2);
});

test("a message that ends nowhere is nested too deep for no stack", () => {
  const groups = Buffer.alloc(1_000_000, 0x9b);
  for (let at = 1; at < groups.length; at += 2) groups[at] = 0x06;
  expect(walkBinary(groups, IngestBatchRequestSchema, 1)).toMatchObject({ elements: 0 });
});

test("every list of a request has a limit", () => {
  const inputsOfRpcs = [EventService, WorkerService].flatMap(({ methods }) =>
    methods.map(({ input }) => input),
  );
  const messages = new Set<DescMessage>(inputsOfRpcs);
  const found: string[] = [];
  for (const { fields } of messages) {
    for (const each of fields) {
      if (each.fieldKind === "list" || each.fieldKind === "map")
        found.push(`${each.parent.typeName}.${each.name}`);
      if (each.message !== undefined) messages.add(each.message);
    }
  }
  expect(found.toSorted()).toEqual([
    "event.IngestBatchRequest.events",
    "event.worker.v1.SettleRequest.verdicts",
  ]);
});
