import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { root } from "./support/server-process.ts";

/** Files as git knows them, new ones included; generated code has a structure of its own. */
const list = ["ls-files", "--cached", "--others", "--exclude-standard"];
const git = needs("git");
const listed = git.skip ? "" : execFileSync("git", list, { cwd: root, encoding: "utf8" });
const files = listed
  .split("\n")
  .filter((file) => file !== "" && !/(^|\/)gen\//.test(file) && existsSync(join(root, file)));

const read = (file: string) => readFileSync(join(root, file), "utf8");

/** What the files of a package import of the same package, type imports included. */
const imports = new Map(
  files
    .filter((file) => /^(packages|apps)\/.*\.ts$/.test(file) && !file.endsWith(".test.ts"))
    .map((file) => [
      file,
      [...read(file).matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)].map(([, path = ""]) =>
        normalize(join(dirname(file), path)),
      ),
    ]),
);

test("no folder has more than 25 files", git, () => {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  expect(counts.size).toBeGreaterThan(40);
  expect([...counts].filter(([, count]) => count > 25)).toEqual([]);
});

test("no files import each other in a circle, not even types", git, () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" -> "));
    if (done.has(file) || way.includes(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  expect([...imports.values()].flat().length).toBeGreaterThan(500);
  expect(circles).toEqual([]);
});

/** Each folder may import the ones behind it. */
const floors = {
  "packages/store-sqlite/src": ["thread", "operations", "time", "tables", "database"],
  "packages/store-postgres/src": ["operations", "time", "tables", "database"],
  "packages/server/src/http": ["fast", "connect"],
};

function floorOf(file: string, { src, folders }: { src: string; folders: readonly string[] }): number {
  if (file.includes("/testing/")) return -1;
  return folders.findIndex((folder) => file.startsWith(`${src}/${folder}/`));
}

describe.each(Object.entries(floors))("%s", (src, folders) => {
  test(`imports run one way: ${folders.join(", ")}`, git, () => {
    const house = { src, folders };
    const upward = [...imports].flatMap(([file, targets]) =>
      targets
        .filter((target) => floorOf(target, house) >= 0 && floorOf(target, house) < floorOf(file, house))
        .map((target) => `${file} -> ${target}`),
    );
    expect(upward).toEqual([]);
  });
});

test("links in documents lead to files that exist", git, () => {
  const links = files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = ""]) => ({ file, link })),
    )
    .filter(({ link }) => !/^[a-z]+:/.test(link));
  expect(links.length).toBeGreaterThan(50);
  expect(links.filter(({ file, link }) => !existsSync(join(root, dirname(file), link)))).toEqual([]);
});

test("the map of the architecture names files that exist, and every file that corrects connect", git, () => {
  const map = read("docs/architecture.md");
  const names = [...map.matchAll(/`(?:[\w./-]*\/)?([\w-]+\.ts)`/g)].map(([, name = ""]) => name);
  const known = new Set(files.map((file) => file.split("/").at(-1)));
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
  const corrections = files.filter((file) =>
    /^packages\/server\/src\/http\/connect\/[^/]+(?<!\.test)\.ts$/.test(file),
  );
  expect(
    corrections.map((file) => file.split("/").at(-1)).filter((name) => !map.includes(`${name}`)),
  ).toEqual([]);
});

test("every export of a source file has a doc comment", git, () => {
  const declaration = /^export (?:async )?(?:function\*?|const|let|interface|type|class) (\w+)/;
  const exports = [...imports.keys()].flatMap((file) => {
    const lines = read(file).split("\n");
    return lines.flatMap((line, at) => {
      const [, name] = declaration.exec(line) ?? [];
      return name === undefined ? [] : [{ file, name, isDocumented: lines[at - 1]?.endsWith("*/") === true }];
    });
  });
  expect(exports.length).toBeGreaterThan(500);
  expect(exports.filter(({ isDocumented }) => !isDocumented)).toEqual([]);
});
