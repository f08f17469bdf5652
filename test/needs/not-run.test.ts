import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const cwd = fileURLToPath(new URL("sample", import.meta.url));

/** What a run of the sample says that was not run. */
function notRunOf(...args: string[]): string[] {
  const { VITEST: _, ...env } = process.env;
  const { stdout, status } = spawnSync(process.execPath, [vitest, "run", ...args], {
    cwd,
    env,
    encoding: "utf8",
  });
  expect(status).toBe(0);
  return stdout.split("\n").filter((line) => line.startsWith("not run: "));
}

test("the last words name each test, or whole suite, that was not run, with the reason", () => {
  expect(notRunOf()).toEqual([
    "not run: sample.spec.ts > needs one: one is missing",
    "not run: sample.spec.ts > case a: one is missing, two is missing",
    "not run: sample.spec.ts > case b: one is missing, two is missing",
    "not run: sample.spec.ts > all of it (2 tests): three is missing",
    "not run: sample.spec.ts > some of it > finds out late: it rains",
  ]);
});

test("tests that nobody asked for are not named", () => {
  expect(notRunOf("-t", "all of it deep")).toEqual([
    "not run: sample.spec.ts > all of it > deep > second: three is missing",
  ]);
});
