import { expect, test } from "vitest";
import { RetryLater } from "./handler.ts";
import { backoffMs, retryDelayMs } from "./retry.ts";

const policy = { retryBaseMs: 1000, retryMaxMs: 3_600_000 };
const middle = () => 0.5;
const least = () => 0;
const most = () => 1 - Number.EPSILON;

test.for([
  [1, 1000],
  [2, 2000],
  [3, 4000],
  [12, 2_048_000],
  [13, 3_600_000],
  [1000, 3_600_000],
  [5000, 3_600_000],
])("after failure %i the delay is %i ms", ([failures = 0, delayMs]) => {
  expect(backoffMs(failures, policy, middle)).toBe(delayMs);
});

test.for([
  [1, 800, 1200],
  [4, 6400, 9600],
  [20, 2_880_000, 4_320_000],
])("after failure %i chance moves the delay between %i and %i ms", ([failures = 0, lowest, highest]) => {
  expect(backoffMs(failures, policy, least)).toBe(lowest);
  expect(backoffMs(failures, policy, most)).toBe(highest);
});

test("a plain error waits as long as the policy says", () => {
  expect(retryDelayMs(new Error("no"), 3, { ...policy, random: middle })).toBe(4000);
});

test.for([
  [0, 0],
  [200, 200],
  [0.1, 1],
  [7_200_000.5, 7_200_001],
])("RetryLater(%d) waits %i ms, whatever the attempt and chance", ([asked = 0, delayMs]) => {
  for (const random of [least, middle, most]) {
    expect(retryDelayMs(new RetryLater(asked), 9, { ...policy, random })).toBe(delayMs);
  }
});

test.for([
  [-1, 0],
  [Number.NEGATIVE_INFINITY, 0],
  [Number.POSITIVE_INFINITY, 365 * 24 * 3600 * 1000],
  [1e300, 365 * 24 * 3600 * 1000],
])("a RetryLater that asks for %d ms nevertheless waits %i ms", ([asked, delayMs]) => {
  const thrown = Object.assign(new RetryLater(1), { delayMs: asked });
  expect(retryDelayMs(thrown, 3, { ...policy, random: middle })).toBe(delayMs);
});

test.for([Number.NaN, undefined, null, "7", 7n])(
  "a RetryLater that asks for %o waits as an error does",
  (asked) => {
    const thrown = Object.assign(new RetryLater(1), { delayMs: asked });
    expect(retryDelayMs(thrown, 3, { ...policy, random: middle })).toBe(4000);
  },
);
