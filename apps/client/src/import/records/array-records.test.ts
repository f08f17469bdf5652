import { expect, test } from "vitest";
import { arrayRecords, splitElements } from "./array-records.ts";

/** The file in chunks of `size` bytes. */
async function* bytes(file: string, size = file.length + 1) {
  const all = Buffer.from(file);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const file = `\uFEFF
 [ {"a": [1, {"b":"],\\"}"}]} ,
   "é,]\\\\", 18446744073709551616 ,
   null
 ]
`;

test.each([1, 2, 3, 7, 1000])("each element is a record, in chunks of %i", async (size) => {
  expect(await collect(arrayRecords(bytes(file, size)))).toEqual([
    {
      place: 1,
      raw: '{"a": [1, {"b":"],\\"}"}]}',
      text: '{"a": [1, {"b":"],\\"}"}]}',
      value: { a: [1, { b: '],"}' }] },
    },
    { place: 2, raw: '"é,]\\\\"', text: '"é,]\\\\"', value: "é,]\\" },
    expect.objectContaining({ place: 3, text: "18446744073709551616" }),
    { place: 4, raw: "null", text: "null", value: null },
  ]);
});

test.each(["[]", " [ \n ] "])("%j has none", async (empty) => {
  expect(await collect(arrayRecords(bytes(empty)))).toEqual([]);
});

test("what is no JSON is a problem of its element", async () => {
  expect(await collect(arrayRecords(bytes("[{a:1}, 2,, 1}2, 5, ]")))).toMatchObject([
    { place: 1, raw: "{a:1}", problem: expect.stringMatching(/^not JSON: /) },
    { place: 2, value: 2 },
    { place: 3, raw: "", problem: expect.stringMatching(/^not JSON: /) },
    { place: 4, raw: "1}2", problem: expect.stringMatching(/^not JSON: /) },
    { place: 5, value: 5 },
    { place: 6, raw: "", problem: expect.stringMatching(/^not JSON: /) },
  ]);
});

test.each([
  ["nothing", " \n", "the file must hold a JSON array, got nothing"],
  ["an object", ' {"a":[]}', 'the file must begin with a JSON array, got "{"'],
  ["two arrays", "[1]\n[2]", "something follows the JSON array"],
  ["a cut in an element", '[1,{"a"', "the file ends in element 2, before its JSON array does"],
  ["a cut in a text", '[1,"]', "the file ends in element 2, before its JSON array does"],
  ["a cut behind an element", "[1", "the file ends in element 1, before its JSON array does"],
])("%s ends it", async (_name, text, message) => {
  await expect(collect(arrayRecords(bytes(text)))).rejects.toThrow(message);
  await expect(collect(arrayRecords(bytes(text, 1)))).rejects.toThrow(message);
});

test("an element comes as soon as it ends, and of one that is too long only the beginning is held", async () => {
  const elements = splitElements(endless(), 150);
  expect(await elements.next()).toMatchObject({ value: { raw: "1" } });
  const long = await elements.next();
  expect(long).toMatchObject({ value: { problem: "an element must be at most 150 bytes, got 10002" } });
  expect(long.value?.raw.length).toBeLessThanOrEqual(202);
  expect(await elements.next()).toMatchObject({ value: { raw: "2" } });
});

async function* endless() {
  yield Buffer.from('[1,"');
  for (let part = 0; part < 100; part++) yield Buffer.from("x".repeat(100));
  yield Buffer.from('",2,');
  throw new Error("read too far");
}
