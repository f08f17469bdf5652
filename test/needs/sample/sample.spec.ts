import { describe, expect, test } from "vitest";
import { judge } from "../needs.ts";

const missing = (...names: string[]) =>
  judge(
    names.map((name) => ({ name, isThere: () => false, isInstalledOnCi: true })),
    {},
  );

test("runs", () => expect(1).toBe(1));

test("needs one", missing("one"), () => expect.unreachable());

test.each(["a", "b"])("case %s", missing("one", "two"), () => expect.unreachable());

describe("all of it", missing("three"), () => {
  test("first", () => expect.unreachable());
  describe("deep", () => {
    test("second", () => expect.unreachable());
  });
});

describe("some of it", () => {
  test("runs", () => expect(1).toBe(1));
  test("finds out late", ({ skip }) => {
    skip("it rains");
    expect.unreachable();
  });
});
