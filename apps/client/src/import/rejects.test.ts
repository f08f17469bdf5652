import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openRejects } from "./rejects.ts";

function setup(content?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "event-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "a.rejected.ndjson");
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const entry = (line: number) => `{"line":${line},"reason":"r","raw":"x"}\n`;

test("an import that begins has none, and no file before the first one", () => {
  const path = setup(entry(1));
  using rejects = openRejects({ path, unit: "line", upTo: 0 });
  expect(rejects.count).toBe(0);
  expect(existsSync(path)).toBe(false);
  rejects.add({ place: 7, raw: "x" }, "r");
  expect(rejects.count).toBe(1);
  expect(readFileSync(path, "utf8")).toBe('{"line":7,"reason":"r","raw":"x"}\n');
});

test("an import that goes on keeps those up to where it is, and not what a kill cut", () => {
  const path = setup(entry(1) + entry(5) + entry(9) + '{"line":3,"rea');
  using rejects = openRejects({ path, unit: "line", upTo: 5 });
  expect(rejects.count).toBe(2);
  rejects.add({ place: 9, raw: "x" }, "r");
  expect(readFileSync(path, "utf8")).toBe(entry(1) + entry(5) + entry(9));
});

test("an import that goes on may have none", () => {
  using rejects = openRejects({ path: setup(), unit: "line", upTo: 5 });
  expect(rejects.count).toBe(0);
});

test("elements of an array are counted as such, and lines are none of them", () => {
  const path = setup(`${entry(1)}{"element":2,"reason":"r","raw":"x"}\n`);
  using rejects = openRejects({ path, unit: "element", upTo: 5 });
  expect(rejects.count).toBe(1);
  rejects.add({ place: 9, raw: "y" }, "s");
  expect(readFileSync(path, "utf8")).toBe(
    '{"element":2,"reason":"r","raw":"x"}\n{"element":9,"reason":"s","raw":"y"}\n',
  );
});

test.each(["id,name\n1,ann\n", '{"line":1}\n', "5\n"])(
  "a file of %j is not taken for one of ours",
  (content) => {
    const path = setup(content);
    expect(() => openRejects({ path, unit: "line", upTo: 0 })).toThrow(
      `${path} holds something else than rejected records`,
    );
    expect(readFileSync(path, "utf8")).toBe(content);
  },
);

test("a place that cannot be written is found out at once", () => {
  const path = join(setup(), "a.ndjson");
  expect(() => openRejects({ path, unit: "line", upTo: 0 })).toThrow(
    `rejected records cannot be written to ${path} (ENOENT)`,
  );
});

test("what is no file is written to, and neither read nor deleted", () => {
  {
    using rejects = openRejects({ path: "/dev/null", unit: "line", upTo: 5 });
    rejects.add({ place: 7, raw: "x" }, "r");
    expect(rejects.count).toBe(1);
  }
  expect(existsSync("/dev/null")).toBe(true);
});
