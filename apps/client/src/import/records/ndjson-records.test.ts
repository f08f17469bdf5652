import { expect, test } from "vitest";
import type { FileRecord } from "./file-record.ts";
import { type NdjsonOptions, ndjsonRecords } from "./ndjson-records.ts";

async function collect(file: string, knownBy: NdjsonOptions["knownBy"] = "nothing"): Promise<FileRecord[]> {
  const all: FileRecord[] = [];
  for await (const record of ndjsonRecords(bytes(file), { knownBy })) all.push(record);
  return all;
}

async function* bytes(file: string) {
  yield Buffer.from(file);
}

test("a value a line, empty lines are left out, broken ones have a problem", async () => {
  expect(await collect('{"a":1.0}\n\n "b" \r\n{"c"\n5')).toMatchObject([
    { place: 1, raw: '{"a":1.0}', text: '{"a":1.0}', value: { a: 1 } },
    { place: 3, raw: ' "b" ', text: '"b"', value: "b" },
    { place: 4, raw: '{"c"', problem: expect.stringMatching(/^not JSON: /) },
    { place: 5, value: 5 },
  ]);
});

test.each([
  ["an array in one line", '[{"a":1},{"a":2}]', "line 1 is a JSON array", "--array"],
  ["an array over lines", '\n[\n{"a":1},\n{"a":2}\n]', "line 2 begins a JSON array", "--array"],
  ["an array that begins with its element", '[{"a":1},\n{"a":2}]', "line 1 begins a JSON array", "--array"],
  ["an object over lines", '{\n"a": [\n1\n]\n}', "line 1 begins a JSON object", "jq -c ."],
  [
    "an object over lines that begins with a field",
    '{"a": [\n1\n]}',
    "line 1 begins a JSON object",
    "jq -c .",
  ],
  ["CR line ends", '{"a":1}\r{"a":2}\r', "line 1: lines must end in LF or CR LF, got CR", "tr '\\r' '\\n'"],
  ["CSV", "id\n1\n2\n", "line 1: not JSON: ", "--format csv, or --format ndjson"],
])("%s is refused", async (_name, file, message, hint) => {
  await expect(collect(file)).rejects.toMatchObject({
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
});

test("arrays are records if the user says so, not if the name does", async () => {
  expect(await collect("[1]\n[2]\n", "option")).toMatchObject([{ value: [1] }, { value: [2] }]);
  await expect(collect("[1]\n[2]\n", "name")).rejects.toThrow("line 1 is a JSON array");
  await expect(collect("[\n1\n]\n", "option")).rejects.toThrow("line 1 begins a JSON array");
});

test.each(["option", "name"] as const)(
  "what is known by its %s may begin with what is no JSON",
  async (by) => {
    expect(await collect("broken\n5\n", by)).toMatchObject([
      { place: 1, problem: expect.stringMatching(/^not JSON: /) },
      { place: 2, value: 5 },
    ]);
  },
);

test("a source that fails ends it", async () => {
  const records = ndjsonRecords(failing(), { knownBy: "nothing" });
  await records.next();
  await records.next();
  await expect(records.next()).rejects.toThrow("disk is gone");
});

async function* failing() {
  yield Buffer.from("1\n22\n");
  throw new Error("disk is gone");
}
