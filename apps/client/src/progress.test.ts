import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { progressLine, showProgress } from "./progress.ts";

describe("progressLine", () => {
  test.each([
    [{ count: 0, at: 0, total: 1000 }, 0, "[--------------------]  0 %  0 sent  0/s"],
    [
      { count: 310_000, at: 310, total: 1000 },
      6000,
      "[######--------------]  31 %  310,000 sent  51,667/s  13.4 s left",
    ],
    [{ count: 5, at: 2000, total: 1000 }, 1000, "[####################]  100 %  5 sent  5/s  0 ms left"],
    [{ count: 1500, at: 0, total: undefined }, 3000, "1,500 sent  500/s"],
    [{ count: 0, at: 0, total: 0 }, 3000, "0 sent  0/s"],
  ])("%o after %i ms", (position, elapsedMs, wanted) => {
    expect(progressLine(position, { elapsedMs, verb: "sent" })).toBe(wanted);
  });
});

describe("showProgress", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("is a line every 5 s where there is no terminal", () => {
    const { progress, written } = show({ isTTY: false });
    vi.advanceTimersByTime(4999);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(5001);
    expect(written).toEqual(["10 sent  2/s\n", "10 sent  1/s\n"]);
    progress[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
    expect(written).toHaveLength(2);
  });

  test("is one line that is written over on a terminal, and is gone in the end", () => {
    const { progress, written } = show({ isTTY: true });
    vi.advanceTimersByTime(100);
    progress.say("a note");
    progress[Symbol.dispose]();
    expect(written).toEqual(["\r\u001B[K10 sent  100/s", "\r\u001B[K", "a note\n", "\r\u001B[K"]);
  });

  test("is nothing when quiet", () => {
    const { progress, written } = show({ isTTY: true, quiet: true });
    progress.say("a note");
    vi.advanceTimersByTime(10_000);
    expect(written).toEqual([]);
  });
});

function show(options: { isTTY: boolean; quiet?: boolean }) {
  const written: string[] = [];
  const stream = { isTTY: options.isTTY, columns: 30, write: (text: string) => written.push(text) };
  const progress = showProgress({
    stream,
    quiet: options.quiet ?? false,
    verb: "sent",
    position: () => ({ count: 10, at: 0, total: undefined }),
  });
  return { progress, written };
}
