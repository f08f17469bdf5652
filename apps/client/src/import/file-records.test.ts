import { expect, test } from "vitest";
import { csvRecords, type FileRecord, ndjsonRecords } from "./file-records.ts";

async function* bytes(...parts: (string | Buffer)[]) {
  for (const part of parts) yield Buffer.from(part);
}

async function collect(records: AsyncIterable<FileRecord>): Promise<FileRecord[]> {
  const all: FileRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}

test("NDJSON: a value a line, empty lines are left out, broken ones have a problem", async () => {
  const all = await collect(ndjsonRecords(bytes('{"a":1.0}\n\n "b" \r\n{"c"\n5')));
  expect(all).toMatchObject([
    { line: 1, raw: '{"a":1.0}', text: '{"a":1.0}', value: { a: 1 } },
    { line: 3, raw: ' "b" ', text: '"b"', value: "b" },
    { line: 4, raw: '{"c"', problem: expect.stringMatching(/^not JSON: /) },
    { line: 5, value: 5 },
  ]);
});

test("CSV: an object by the names of the first line", async () => {
  const file = '\ufeffid,note\r\n1,plain\r\n2,"with, comma and ""quotes"""\n\n\r\n3,é\n4,';
  const all = await collect(csvRecords(bytes(file)));
  expect(all.map((record) => "value" in record && record.value)).toEqual([
    { id: "1", note: "plain" },
    { id: "2", note: 'with, comma and "quotes"' },
    { id: "3", note: "é" },
    { id: "4", note: "" },
  ]);
  expect(all[1]).toMatchObject({
    line: 3,
    raw: '2,"with, comma and ""quotes"""',
    text: '{"id":"2","note":"with, comma and \\"quotes\\""}',
  });
  expect(all[2]).toMatchObject({ line: 6, raw: "3,é" });
});

test("CSV: a record may have several lines and is known by its first", async () => {
  const all = await collect(csvRecords(bytes('a,b\n1,"x\ny\r\nz"\n2,w\n')));
  expect(all).toMatchObject([
    { line: 2, raw: '1,"x\ny\r\nz"', value: { a: "1", b: "x\ny\r\nz" } },
    { line: 5, raw: "2,w" },
  ]);
});

test("CSV: a record with more or fewer fields has a problem, a stray quote has none", async () => {
  const all = await collect(csvRecords(bytes('a,b\r\n1\r\n1,2,3\r\n5" disk,"x"y\r\n')));
  expect(all).toMatchObject([
    { line: 2, raw: "1", problem: "a record must have 2 fields like the first line, got 1" },
    { line: 3, raw: "1,2,3", problem: "a record must have 2 fields like the first line, got 3" },
    { line: 4, value: { a: '5" disk', b: '"x"y' } },
  ]);
});

test("CSV: what is not UTF-8 is a problem of its record", async () => {
  const all = await collect(csvRecords(bytes("a\n", Buffer.from([0xe9, 0x0a]), "ok\n")));
  expect(all).toMatchObject([
    { line: 2, problem: "a record must be UTF-8" },
    { line: 3, value: { a: "ok" } },
  ]);
});

test.each([
  ["a quote that is not closed", 'a,b\n1,2\n3,"x\n4,y\n', /^line [1-3] or later: a quote is not closed$/],
  [
    "a record that is too long",
    `a,b\n1,2\n3,"${"x".repeat(9 * 1024 * 1024)}"\n`,
    "line 3 or later: a record must be at most 8388608 bytes; is a quote not closed?",
  ],
  ["a name that stands there twice", "a,b,a\n", 'line 1: the name "a" stands there twice'],
])("CSV: %s ends it", async (_name, file, message) => {
  await expect(collect(csvRecords(bytes(file)))).rejects.toThrow(message);
});

test("a source that fails ends it", async () => {
  await expect(collect(csvRecords(failing()))).rejects.toThrow("disk is gone");
  await expect(collect(ndjsonRecords(failing()))).rejects.toThrow("disk is gone");
});

async function* failing() {
  yield Buffer.from("a\n1\n");
  throw new Error("disk is gone");
}
