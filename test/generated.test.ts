import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

/** Generates into a copy, so that a stale file in the workspace cannot hide, and a failing test changes nothing. */
test.each([
  { folder: "gen", output: "src" },
  { folder: "packages/grpc-health", output: "src/gen" },
  { folder: "packages/grpc-reflection", output: "src/gen" },
])("$folder/$output is what generate makes of the .proto files", ({ folder, output }) => {
  using dir = tempDir();
  for (const name of [
    "buf.gen.yaml",
    "buf.yaml",
    "generate.mjs",
    "proto",
    "package.json",
    `${folder}/package.json`,
  ]) {
    cpSync(join(root, name), join(dir.path, name), { recursive: true });
  }
  for (const folderOfModules of ["node_modules", `${folder}/node_modules`]) {
    symlinkModules(folderOfModules, dir.path);
  }
  const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}` };
  const run = (command: string, args: string[], cwd: string) => execFileSync(command, args, { cwd, env });
  if (folder === "gen") run("buf", ["generate"], dir.path);
  const { scripts } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as PackageJson;
  run("sh", ["-c", scripts.generate], join(dir.path, folder));
  expect(filesBelow(join(root, folder, output))).toEqual(filesBelow(join(dir.path, folder, output)));
});

interface PackageJson {
  scripts: { generate: string };
}

function symlinkModules(name: string, target: string): void {
  execFileSync("ln", ["-s", join(root, name), join(target, name)]);
}

function filesBelow(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}
