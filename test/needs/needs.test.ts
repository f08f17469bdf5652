import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { judge, needs } from "./needs.ts";
import type { Requirement } from "./requirements.ts";

const tool = { name: "tool", isThere: () => false, isInstalledOnCi: true };
const ability: Requirement = { ...tool, name: "fly", isInstalledOnCi: false, otherwise: "nobody may fly" };

test("what is there is run", () => {
  expect(judge([{ ...tool, isThere: () => true }], { CI: "true" })).toEqual({ skip: false, meta: {} });
  expect(needs()).toEqual({ skip: false, meta: {} });
});

test("what is missing is left out, and all reasons are said", () => {
  expect(judge([tool, ability], {})).toEqual({
    skip: true,
    meta: { notRun: "tool is missing, nobody may fly" },
  });
});

test("on CI a tool must be there, unless .ci/run has said that it could not install it", () => {
  expect(() => judge([ability, tool], { CI: "true" })).toThrow(/^tool is missing, which \.ci\/run installs/);
  expect(judge([tool], { CI: "true", CI_NOT_INSTALLED: "other,tool" })).toMatchObject({ skip: true });
  expect(judge([ability], { CI: "true" })).toMatchObject({ skip: true });
});

test("no test is left out in another way, which would not say why", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const names = globSync("{packages,apps}/*/src/**/*.test.ts", { cwd: root });
  names.push(...globSync("test/**/*.test.ts", { cwd: root, exclude: ["**/node_modules"] }));
  const files = names.map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));
  expect(files.length).toBeGreaterThan(100);
  const leavesOut = /\b(?:test|describe|it)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo)\b/;
  expect(files.filter(({ text }) => leavesOut.test(text)).map(({ name }) => name)).toEqual([]);
});
