import { setTimeout as sleep } from "node:timers/promises";

/** Waits that are shorter than a timer can be are put together. */
const shortestMs = 2;

/** What was missed for longer than this, by a slow server for example, is not made up for. */
const catchUpMs = 100;

/** Waits before each event so that there are `perSecond` of them. @throws AbortError */
export function createRateLimit(perSecond: number | undefined, signal: AbortSignal): () => Promise<void> {
  if (perSecond === undefined) return () => Promise.resolve();
  let due = performance.now();
  return async () => {
    const now = performance.now();
    if (due - now > shortestMs) await sleep(due - now, undefined, { signal });
    due = Math.max(due, now - catchUpMs) + 1000 / perSecond;
  };
}
