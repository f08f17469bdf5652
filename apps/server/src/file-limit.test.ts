import { expect, test } from "vitest";
import { fileLimitWarning } from "./file-limit.ts";

const limits = (files: string) => `Limit                     Soft Limit           Hard Limit           Units
Max processes             63382                63382                processes
Max open files            ${files.padEnd(20)} 1048576              files
Max locked memory         8388608              8388608              bytes
`;

test("a warning says what to raise or to lower", () => {
  expect(fileLimitWarning(2000, limits("1024"))).toBe(
    "MAX_CONNECTIONS is 2000, but the process may open only 1024 files: raise that limit (ulimit -n) to 2100, or lower MAX_CONNECTIONS",
  );
  expect(fileLimitWarning(2000, limits("2099"))).toBeDefined();
});

test("none if there are enough, or if the system does not tell", () => {
  expect(fileLimitWarning(2000, limits("2100"))).toBeUndefined();
  expect(fileLimitWarning(2000, limits("unlimited"))).toBeUndefined();
  expect(fileLimitWarning(2000, "")).toBeUndefined();
});
