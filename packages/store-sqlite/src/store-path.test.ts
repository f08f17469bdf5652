import { expect, test } from "vitest";
import { findSqliteUrlProblem, readStorePath } from "./store-path.ts";

test.each([
  "sqlite:events.db",
  "sqlite:./data/a b ü#%41.db",
  "sqlite:/data/events.db",
  "sqlite:what?.db",
  "sqlite:C:\\x.db",
])("%j names a file", (url) => {
  expect(readStorePath(url)).toEqual({ file: url.slice("sqlite:".length) });
  expect(findSqliteUrlProblem(url)).toBeUndefined();
});

test("what is another store's URL is none, and nothing is said about it", () => {
  expect(readStorePath("sqlite::memory:")).toBe("memory");
  expect(readStorePath("postgres://host/db")).toBeUndefined();
  expect(findSqliteUrlProblem("postgres://host/db")).toBeUndefined();
});

test.each([
  ["sqlite:", 'must name a file, or :memory:, after "sqlite:"'],
  ["sqlite::memory", "must be sqlite::memory: for a store in memory"],
  ["sqlite: x.db", "must have no space at the beginning or the end"],
  ["sqlite:x.db ", "must have no space at the beginning or the end"],
  ["sqlite://data/x.db", "write sqlite:data/x.db (from the working directory) or sqlite:/data/x.db"],
  ["sqlite:///data/x.db", "write sqlite:data/x.db (from the working directory) or sqlite:/data/x.db"],
  ["sqlite:file:x.db", "write sqlite:x.db (from the working directory) or sqlite:/x.db"],
  ["sqlite:x.db?mode=rwc", "takes no parameters: write sqlite:x.db"],
  ["sqlite:x.db?mode=ro&cache=shared", "takes no parameters: write sqlite:x.db"],
  ["sqlite:~/x.db", 'must name the folder itself: "~" is for shells'],
  ["sqlite:x\0.db", "must have no U+0000"],
])("%j is refused with what to write", (url, problem) => {
  expect(findSqliteUrlProblem(url)).toContain(problem);
});
