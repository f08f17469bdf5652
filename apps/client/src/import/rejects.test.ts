import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openRejects, rejectsPath } from "./rejects.ts";

function setup(content?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "event-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "a.rejected.ndjson");
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const entry = (line: number) => `{"line":${line},"reason":"r","raw":"x"}\n`;

test.each([
  ["orders.csv", "orders.csv.rejected.ndjson"],
  ["orders.ndjson", "orders.ndjson.rejected.ndjson"],
  ["a.b/orders", "a.b/orders.rejected.ndjson"],
  ["-", "stdin.rejected.ndjson"],
])("those of %s go to %s", (file, path) => expect(rejectsPath(file)).toBe(path));

test("an import that begins has none, and no file before the first one", () => {
  const path = setup(entry(1));
  using rejects = openRejects(path, 0);
  expect(rejects.count).toBe(0);
  expect(existsSync(path)).toBe(false);
  rejects.add({ line: 7, raw: "x" }, "r");
  expect(rejects.count).toBe(1);
  expect(readFileSync(path, "utf8")).toBe('{"line":7,"reason":"r","raw":"x"}\n');
});

test("an import that goes on keeps those up to where it is, and not what a kill cut", () => {
  const path = setup(entry(1) + entry(5) + entry(9) + '{"line":3,"rea');
  using rejects = openRejects(path, 5);
  expect(rejects.count).toBe(2);
  rejects.add({ line: 9, raw: "x" }, "r");
  expect(readFileSync(path, "utf8")).toBe(entry(1) + entry(5) + entry(9));
});

test("an import that goes on may have none", () => {
  using rejects = openRejects(setup(), 5);
  expect(rejects.count).toBe(0);
});
