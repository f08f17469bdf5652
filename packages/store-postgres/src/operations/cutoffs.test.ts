import { expect, test } from "vitest";
import { keptSince } from "./cutoffs.ts";

// The clock showed times up to 100, 1,100 to 1,300 and, for the last 100 ms, 6,300 to 6,400.
const leaps = [
  { at: 1100, ms: 1000 },
  { at: 6300, ms: 5000 },
];

test.each([
  { keepMs: 50, since: 6350 },
  { keepMs: 100, since: 6300 },
  { keepMs: 150, since: 1250 },
  { keepMs: 300, since: 1100 },
  { keepMs: 350, since: 50 },
])("what was kept for $keepMs ms, without what the clock was put forward by, ended until $since", (kept) => {
  expect(keptSince({ now: 6400, leaps }, kept.keepMs)).toBe(kept.since);
});

test("a clock that was put back after a leap keeps everything as long, and what ended in between longer", () => {
  expect(keptSince({ now: 1310, leaps }, 150)).toBe(1150);
  expect(keptSince({ now: 1460, leaps }, 150)).toBe(1150);
  expect(keptSince({ now: 6460, leaps }, 150)).toBe(6310);
});

test("without leaps it is a subtraction", () => {
  expect(keptSince({ now: 6400, leaps: [] }, 150)).toBe(6250);
});
