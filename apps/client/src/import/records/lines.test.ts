import { expect, test } from "vitest";
import { type Line, splitLines } from "./lines.ts";

async function* bytes(...parts: (string | Buffer)[]) {
  for (const part of parts) yield Buffer.from(part);
}

async function collect(lines: AsyncIterable<Line>): Promise<Line[]> {
  const all: Line[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

test.each<[string, string[], string[]]>([
  ["the last line needs no end", ["a\nb"], ["a", "b"]],
  ["an end at the end begins no line", ["a\nb\n"], ["a", "b"]],
  ["CR LF ends a line", ["a\r\nb\r\n"], ["a", "b"]],
  ["a CR inside stays", ["a\rb\n"], ["a\rb"]],
  ["empty lines count", ["\n\na\n"], ["", "", "a"]],
  ["nothing has no lines", [], []],
  ["lines are put together from chunks", ["a", "b\nc", "d", "e\n", "f"], ["ab", "cde", "f"]],
])("%s", async (_name, chunks, wanted) => {
  expect(await collect(splitLines(bytes(...chunks)))).toEqual(
    wanted.map((raw, at) => ({ line: at + 1, raw })),
  );
});

test("a character may be cut by the end of a chunk", async () => {
  const text = Buffer.from("é\n");
  expect(await collect(splitLines(bytes(text.subarray(0, 1), text.subarray(1))))).toEqual([
    { line: 1, raw: "é" },
  ]);
});

test("what is not UTF-8 is a problem of its line only", async () => {
  const all = await collect(splitLines(bytes(Buffer.from([0xff, 0x0a]), "ok\n")));
  expect(all).toEqual([
    { line: 1, raw: "\ufffd", problem: "a line must be UTF-8" },
    { line: 2, raw: "ok" },
  ]);
});

test("a line that is too long is cut, and the next one is whole", async () => {
  const all = await collect(splitLines(bytes("12345", "67890", "1\n1234567890\n"), 10));
  expect(all).toEqual([
    { line: 1, raw: "12345678901", problem: "a line must be at most 10 bytes, got 11" },
    { line: 2, raw: "1234567890" },
  ]);
});

test("of a line without end only the beginning is held", async () => {
  const chunk = "x".repeat(100);
  const all = await collect(splitLines(bytes(...Array.from({ length: 100 }, () => chunk), "\n"), 150));
  expect(all).toMatchObject([{ line: 1, problem: "a line must be at most 150 bytes, got 10000" }]);
  expect(all[0]?.raw.length).toBeLessThanOrEqual(200);
});
