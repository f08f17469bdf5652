import { expect, test } from "vitest";
import { createRetryDelay } from "./retry-delay.ts";

function setup() {
  let now = 0;
  const comeback = createRetryDelay(() => now);
  return { comeback, pass: (ms: number) => void (now += ms) };
}

test("who is refused comes back when there is room for all who were refused before", () => {
  const { comeback } = setup();
  expect(comeback(1000, 100)).toBe(10);
  expect(comeback(1000, 100)).toBe(20);
  expect(comeback(1, 100)).toBeCloseTo(20.01);
});

test("a refusal is forgotten within seconds", () => {
  const { comeback, pass } = setup();
  comeback(1000, 100);
  pass(1000);
  expect(comeback(0, 100)).toBeCloseTo(10 / Math.E);
  pass(10_000);
  expect(comeback(1000, 100)).toBeCloseTo(10, 2);
});

test("without any pace nobody knows", () => {
  expect(setup().comeback(1, 0)).toBe(Infinity);
});
