import { setTimeout as sleep } from "node:timers/promises";

/** Waits that are too short for a timer are added up. */
const shortestMs = 2;

/** The most delay that is caught up; more, for example of a slow server, is not. */
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
