import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tempFolder } from "./testing/temp-folder.ts";

const readme = fileURLToPath(new URL("../README.md", import.meta.url));

test("the program of the README runs twice over the same file", () => {
  using folder = tempFolder();
  const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(readme, "utf8")) ?? [];
  const local = program.replace("./data/events.db", folder.file("data/events.db"));
  expect(local).not.toBe(program);
  const run = () =>
    execFileSync(process.execPath, ["--eval", local], { cwd: fileURLToPath(new URL("..", import.meta.url)) });
  expect(run().toString()).toBe("ACCEPTED\n1\n");
  expect(run().toString()).toBe("DUPLICATE\n1\n");
});
