import { expect, test } from "vitest";
import { acceptedAt, dayOf, firstIdAt, idSuffixes, isUuid, startOfDay } from "./job-id.ts";

test("an id begins with its milliseconds, and the first id of an instant is below all others", () => {
  const ms = Date.UTC(2026, 10, 23, 12, 34, 56, 789);
  const id = "019ab10f-a0d5-7000-8aaa-000000000000";
  expect(acceptedAt(firstIdAt(ms))).toBe(ms);
  expect(firstIdAt(acceptedAt(id))).toBe("019ab10f-a0d5-0000-0000-000000000000");
  expect(firstIdAt(acceptedAt(id)) < id && id < firstIdAt(acceptedAt(id) + 1)).toBe(true);
  expect(firstIdAt(-1)).toBe("00000000-0000-0000-0000-000000000000");
});

test("days are those of UTC, and begin at midnight", () => {
  const midnight = Date.UTC(2026, 1, 3);
  expect([dayOf(midnight - 1), dayOf(midnight)]).toEqual(["20260202", "20260203"]);
  expect(startOfDay("20260203")).toBe(midnight);
});

test("only canonical text is an id", () => {
  expect(isUuid("0199aaaa-0000-7000-8000-00000000000f")).toBe(true);
  for (const text of [
    "",
    "no id",
    "0199AAAA-0000-7000-8000-00000000000f",
    "0199aaaa00007000800000000000000f",
  ]) {
    expect(isUuid(text)).toBe(false);
  }
});

test("the ids of a batch sort by their places, and differ from those of the next batch", () => {
  const [first, second] = [idSuffixes(1000), idSuffixes(1000)].map((suffixes) =>
    suffixes.map((suffix) => `019ab10f-a0d5-7000-800${suffix}`),
  );
  expect(first?.every(isUuid)).toBe(true);
  expect(first?.toSorted()).toEqual(first);
  expect(new Set([first, second].flat()).size).toBe(2000);
});
