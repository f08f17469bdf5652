import { expect, test } from "vitest";
import type { Verdict } from "./job-store.ts";
import { StoreError } from "./store-error.ts";
import { checkVerdict, keptError } from "./verdict-limits.ts";

const on = { jobId: "0199aaaa-0000-7000-8000-000000000001", attempt: 1 };

test("a result of 64 KiB and any finite delay are taken", () => {
  const verdicts: Verdict[] = [
    { ...on, as: "succeeded", result: new Uint8Array(65_536) },
    { ...on, as: "succeeded" },
    { ...on, as: "retry", delayMs: -1, error: "" },
    { ...on, as: "retry", delayMs: Number.MAX_VALUE, error: "" },
  ];
  for (const verdict of verdicts) expect(() => checkVerdict(verdict)).not.toThrow();
});

test("a larger result and a delay that is no time are refused with what was got", () => {
  const large = { ...on, as: "succeeded", result: new Uint8Array(65_537) } as const;
  expect(() => checkVerdict(large)).toThrow("a result has at most 65536 bytes, got 65537");
  for (const delayMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => checkVerdict({ ...on, as: "retry", delayMs, error: "" })).toThrow(StoreError);
  }
});

test("an error is cut between characters, and holds nothing that SQL text cannot", () => {
  expect(keptError("a\0b\ud800")).toBe("ab\ufffd");
  expect(keptError("x".repeat(4096))).toHaveLength(4096);
  expect(keptError("x".repeat(4097))).toHaveLength(4096);
  expect(keptError(`x${"é".repeat(3000)}`)).toBe(`x${"é".repeat(2047)}`);
});
