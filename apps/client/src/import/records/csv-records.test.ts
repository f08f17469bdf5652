import { expect, test } from "vitest";
import { csvRecords } from "./csv-records.ts";
import type { FileRecord } from "./file-record.ts";

async function* bytes(...parts: (string | Buffer)[]) {
  for (const part of parts) yield Buffer.from(part);
}

/** Divided by commas, unless the user says otherwise. */
function csv(chunks: AsyncIterable<Buffer>, delimiter?: string) {
  return csvRecords(chunks, { delimiter: delimiter ?? ",", delimiterGiven: delimiter !== undefined });
}

async function collect(records: AsyncIterable<FileRecord>): Promise<FileRecord[]> {
  const all: FileRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}

test("an object by the names of the first line", async () => {
  const file = '\ufeffid,note\r\n1,plain\r\n2,"with, comma and ""quotes"""\n\n\r\n3,é\n4,';
  const all = await collect(csv(bytes(file)));
  expect(all.map((record) => "value" in record && record.value)).toEqual([
    { id: "1", note: "plain" },
    { id: "2", note: 'with, comma and "quotes"' },
    { id: "3", note: "é" },
    { id: "4", note: "" },
  ]);
  expect(all[1]).toMatchObject({
    place: 3,
    raw: '2,"with, comma and ""quotes"""',
    text: '{"id":"2","note":"with, comma and \\"quotes\\""}',
  });
  expect(all[2]).toMatchObject({ place: 6, raw: "3,é" });
});

test("a record may have several lines and is known by its first", async () => {
  const all = await collect(csv(bytes('a,b\n1,"x\ny\r\nz"\n2,w\n')));
  expect(all).toMatchObject([
    { place: 2, raw: '1,"x\ny\r\nz"', value: { a: "1", b: "x\ny\r\nz" } },
    { place: 5, raw: "2,w" },
  ]);
});

test("a record with more or fewer fields has a problem, a stray quote has none", async () => {
  const all = await collect(csv(bytes('a,b\r\n1\r\n1,2,3\r\n5" disk,"x"y\r\n')));
  expect(all).toMatchObject([
    { place: 2, raw: "1", problem: "a record must have 2 fields like the first line, got 1" },
    { place: 3, raw: "1,2,3", problem: "a record must have 2 fields like the first line, got 3" },
    { place: 4, value: { a: '5" disk', b: '"x"y' } },
  ]);
});

test("what is not UTF-8 is a problem of its record", async () => {
  const all = await collect(csv(bytes("a\n", Buffer.from([0xe9, 0x0a]), "ok\n")));
  expect(all).toMatchObject([
    { place: 2, problem: "a record must be UTF-8" },
    { place: 3, value: { a: "ok" } },
  ]);
});

test("fields are divided by what the user says, also in a head that looks otherwise", async () => {
  expect(await values("id;price, EUR\n1;2,50\n", ";")).toEqual([{ id: "1", "price, EUR": "2,50" }]);
  expect(await values("id\tname\n1\ta,b\n", "\t")).toEqual([{ id: "1", name: "a,b" }]);
  expect(await values("a;b\n1;2\n", ",")).toEqual([{ "a;b": "1;2" }]);
});

test.each([
  ["sep=;\na;b\n1;2\n", ";"],
  ['"sep=,"\r\na,b\r\n1,2\r\n', undefined],
])("%j: the line that names the delimiter is left out if it says the same", async (file, delimiter) => {
  expect(await collect(csv(bytes(file), delimiter))).toMatchObject([{ place: 3, value: { a: "1", b: "2" } }]);
});

test("names may be quoted, hold the other delimiters in quotes, and have lines", async () => {
  const file = '"a;b","c\nd",e;f\n1,2,3\n';
  expect(await collect(csv(bytes(file)))).toMatchObject([
    { place: 3, value: { "a;b": "1", "c\nd": "2", "e;f": "3" } },
  ]);
});

test("a CR that ends no line is a problem of its record, unless it stands in quotes", async () => {
  const all = await collect(csv(bytes('a\n1\r2\n"3\r4"\n"5\r"\r\n6\r')));
  expect(all).toMatchObject([
    { place: 2, problem: "lines must end in LF or CR LF, got CR" },
    { place: 3, value: { a: "3\r4" } },
    { place: 4, value: { a: "5\r" } },
    { place: 5, problem: "lines must end in LF or CR LF, got CR" },
  ]);
});

test("NUL is a problem of its record", async () => {
  const all = await collect(csv(bytes("a,b\n1,\0\n2,\n")));
  expect(all).toMatchObject([
    { place: 2, problem: "a record must hold no NUL characters" },
    { place: 3, value: { a: "2", b: "" } },
  ]);
});

test.each([
  ["CR line ends", "id,name\r1,ann\r", "line 1: lines must end in LF or CR LF, got CR", "tr '\\r' '\\n'"],
  [
    "CR line ends and quotes",
    '"id"\r"1"\r',
    "line 1: lines must end in LF or CR LF, got CR",
    "tr '\\r' '\\n'",
  ],
  [
    "semicolons",
    "id;kind;amount\n1;order;10\n",
    'line 1 has 0 times "," and 2 times ";": which one divides the fields?',
    'say so with --delimiter ";" or --delimiter ","',
  ],
  ["tabs", "\n\nid\tkind\n1\torder\n", 'line 3 has 0 times "," and 1 times tab', "--delimiter tab"],
  ["bars", "id|kind\n", 'line 1 has 0 times "," and 1 times "|"', '--delimiter "|"'],
  ["semicolons and a comma", "id;price, EUR\n", 'has 1 times "," and 1 times ";"', '--delimiter ";"'],
  ["sep=;", "sep=;\r\na;b\r\n", 'line 1 says that ";" divides the fields, not ","', '--delimiter ";"'],
  ["control characters", "a,b\x01\0c\n", "line 1: the names hold control characters", "UTF-16"],
  ["latin-1", Buffer.from("pr\xe9nom\n", "latin1"), "line 1: the names must be UTF-8", "iconv"],
])("a head line with %s is refused", async (_name, file, message, hint) => {
  await expect(collect(csv(bytes(file)))).rejects.toMatchObject({
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
});

test.each([
  ["a quote that is not closed", 'a,b\n1,2\n3,"x\n4,y\n', /^line [1-3] or later: a quote is not closed$/],
  [
    "a record that is too long",
    `a,b\n1,2\n3,"${"x".repeat(9 * 1024 * 1024)}"\n`,
    "line 3 or later: a record must be at most 8388608 bytes; is a quote not closed, or do lines end in CR?",
  ],
  ["a name that is there twice", "a,b,a\n", 'line 1: the name "a" is there twice'],
])("%s ends it", async (_name, file, message) => {
  await expect(collect(csv(bytes(file)))).rejects.toThrow(message);
});

test("a source that fails ends it", async () => {
  await expect(collect(csv(failing()))).rejects.toThrow("disk is gone");
});

async function values(file: string, delimiter: string) {
  const all = await collect(csv(bytes(file), delimiter));
  return all.map((record) => "value" in record && record.value);
}

async function* failing() {
  yield Buffer.from("a\n1\n");
  throw new Error("disk is gone");
}
