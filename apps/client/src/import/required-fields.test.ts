import { expect, test } from "vitest";
import { jsonRecord } from "./records/file-record.ts";
import type { Mapping } from "./record-event.ts";
import { withFields } from "./required-fields.ts";

/** Reads lines; tells how many were read before the first record came, and how many came in all. */
async function read(lines: string[], fields: Mapping["fields"]) {
  let taken = 0;
  const records = async function* () {
    for (const raw of lines) yield jsonRecord(++taken, { raw });
  };
  let before: number | undefined;
  let count = 0;
  for await (const _ of withFields(records(), fields)) {
    before ??= taken;
    count++;
  }
  return { before, count };
}

const many = (count: number, line = '{"b":1}') => Array.from({ length: count }, () => line);

test("nothing is held back without fields, or once each was seen", async () => {
  expect(await read(many(5), {})).toEqual({ before: 1, count: 5 });
  expect(await read(['{"b":1}', "broken", '{"a":1}', "5", "6"], { type: "a", id: "b" })).toEqual({
    before: 3,
    count: 5,
  });
});

test.each([
  ["in a small file", ["5", '{"b":1,"c":2}', '{"d":1}']],
  ["in a large one", ["{}", ...many(5000)]],
])("a field that no record has is refused, %s", async (_name, lines) => {
  await expect(read(lines, { type: "knid", id: "b" })).rejects.toMatchObject({
    message: expect.stringContaining('no record has the field "knid" of --type-field\nthe fields of'),
  });
});

test("all fields are named, and those that the first record has", async () => {
  await expect(read(['{"b":1,"toString":2}'], { type: "x", payload: "constructor" })).rejects.toThrow(
    `no record has the field "x" of --type-field
no record has the field "constructor" of --payload-field
the fields of the first record are "b", "toString"`,
  );
});

test("a file without a record that can be read is passed on", async () => {
  expect(await read([], { type: "a" })).toEqual({ before: undefined, count: 0 });
  expect(await read(["broken"], { type: "a" })).toEqual({ before: 1, count: 1 });
});

test("what is held is bounded", async () => {
  const line = JSON.stringify({ b: "x".repeat(1024 * 1024) });
  await expect(read([...many(20, line), '{"a":1}'], { type: "a" })).rejects.toThrow('the field "a"');
  await expect(read([...many(5, line), '{"a":1}'], { type: "a" })).resolves.toEqual({ before: 6, count: 6 });
});
