import type { Counts } from "@event-ingestion/store";
import { onTestFinished, expect, test, vi } from "vitest";
import { watchQueueDepth } from "./queue-depth.ts";

test("the number is recounted each second, and tells how fast jobs are worked off", async () => {
  vi.useFakeTimers();
  const stopped = new AbortController();
  onTestFinished(() => {
    stopped.abort();
    vi.useRealTimers();
  });
  const byState = { QUEUED: 5000, RUNNING: 0, SUCCEEDED: 0, DEAD: 0, CANCELLED: 0 };
  const counts = (): Promise<Counts> =>
    Promise.resolve({ byState: { ...byState }, scheduled: 0, asOf: 0, workers: [] });
  const depth = watchQueueDepth({ counts }, stopped.signal);
  await vi.advanceTimersByTimeAsync(0);
  expect(depth.queued()).toBe(5000);
  expect(depth.leavingPerMs()).toBe(0);

  // 500 come and 800 go, each second.
  for (let second = 0; second < 10; second++) {
    depth.added(500);
    byState.QUEUED += 500 - 800;
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(depth.queued()).toBe(2000);
  expect(depth.leavingPerMs()).toBeCloseTo(0.8, 2);
  depth.added(100);
  expect(depth.queued()).toBe(2100);
  byState.QUEUED += 100;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(depth.leavingPerMs()).toBeCloseTo(0, 3);
});
