import { expect, test } from "vitest";
import { textBytes } from "./text-bytes.ts";

async function read(...parts: (string | Buffer)[]): Promise<string> {
  const chunks = async function* () {
    for (const part of parts) yield Buffer.from(part);
  };
  const all: Buffer[] = [];
  for await (const chunk of textBytes(chunks())) all.push(chunk);
  return Buffer.concat(all).toString("utf8");
}

test.each([
  ["the mark is left out", ["\uFEFFab", "\uFEFFc"], "ab\uFEFFc"],
  ["the mark may come in parts", [Buffer.from([0xef]), Buffer.from([0xbb, 0xbf]), "abc"], "abc"],
  ["what is short comes whole", ["5"], "5"],
  ["nothing is nothing", [], ""],
])("%s", async (_name, parts, text) => {
  expect(await read(...parts)).toBe(text);
});

test.each<[string, Buffer, string, string]>([
  [
    "UTF-16LE with its mark",
    Buffer.from("\uFEFFid\n", "utf16le"),
    "it is UTF-16",
    "iconv -f UTF-16 -t UTF-8",
  ],
  [
    "UTF-16BE with its mark",
    Buffer.from("\uFEFFid\n", "utf16le").swap16(),
    "it is UTF-16",
    "iconv -f UTF-16 ",
  ],
  ["UTF-16LE", Buffer.from("5\n", "utf16le"), "NUL bytes", "iconv -f UTF-16LE -t UTF-8"],
  ["UTF-16BE", Buffer.from("id\n", "utf16le").swap16(), "NUL bytes", "iconv -f UTF-16BE -t UTF-8"],
  ["gzip", Buffer.from([0x1f, 0x8b, 8, 0, 0]), "it is compressed (gzip)", "zcat"],
  [
    "a spreadsheet",
    Buffer.from("PK\u0003\u0004..."),
    "it is a zip archive or a spreadsheet",
    "save it as CSV",
  ],
])("%s is refused", async (_name, file, message, hint) => {
  const refusal = { message: expect.stringContaining(message), hint: expect.stringContaining(hint) };
  await expect(read(file)).rejects.toMatchObject(refusal);
  await expect(read(...[...file].map((byte) => Buffer.from([byte])))).rejects.toMatchObject(refusal);
});
