import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("V8 knows the flags that are set", () => {
  const source = readFileSync(new URL("v8-flags.ts", import.meta.url), "utf8");
  const flags = [...source.matchAll(/setFlagsFromString\("(.+)"\)/g)].map(([, flag = ""]) => flag);
  expect(flags).not.toEqual([]);
  // One that it does not know would be ignored when it is set at run time.
  expect(spawnSync(process.execPath, [...flags, "--eval", ""]).stderr.toString()).toBe("");
});
