import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDeadlines } from "./deadlines.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setup() {
  const expired: string[] = [];
  const deadlines = createDeadlines<string>(10, (item) => expired.push(item));
  const add = (item: string, ms: number) => deadlines.add(item, performance.now() + ms);
  const left = () => Array.from(deadlines.items, ({ item }) => item);
  return { expired, left, add };
}

test("items expire when their time has come, in whatever order they were added, and once", () => {
  const { expired, add } = setup();
  add("late", 1000);
  add("soon", 100);
  add("never", Number.POSITIVE_INFINITY);
  vi.advanceTimersByTime(99);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(2);
  expect(expired).toEqual(["soon"]);
  vi.advanceTimersByTime(898);
  expect(expired).toEqual(["soon"]);
  vi.advanceTimersByTime(20);
  expect(expired).toEqual(["soon", "late"]);
  vi.advanceTimersByTime(1_000_000);
  expect(expired).toEqual(["soon", "late"]);
});

test("what has left does not expire, and what is added again has its new time", () => {
  const { expired, left, add } = setup();
  const gone = add("gone", 100);
  add("moved", 100).leave();
  gone.leave();
  add("moved", 500);
  vi.advanceTimersByTime(490);
  expect([expired, left()]).toEqual([[], ["moved"]]);
  vi.advanceTimersByTime(20);
  expect([expired, left()]).toEqual([["moved"], []]);
});

test("one timer serves all, and none when nothing can expire", () => {
  const { expired, add } = setup();
  add("never", Number.POSITIVE_INFINITY);
  expect(vi.getTimerCount()).toBe(0);
  const members = Array.from({ length: 1000 }, (_, n) => add(`${n}`, 100 + n));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(600);
  expect(expired.length).toBeGreaterThan(480);
  for (const member of members) member.leave();
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("an item may be added while another one expires", () => {
  const { expired, left, add } = setup();
  const chain = createDeadlines<number>(10, (n) => {
    expired.push(String(n));
    if (n < 3) chain.add(n + 1, performance.now() + 50);
  });
  chain.add(1, performance.now() + 50);
  add("other", 1);
  vi.advanceTimersByTime(300);
  expect(expired).toEqual(["other", "1", "2", "3"]);
  expect([left(), [...chain.items]]).toEqual([[], []]);
});
