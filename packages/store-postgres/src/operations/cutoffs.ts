import type { Policy } from "@event-ingestion/store";
import { dayMs } from "../tables/job-id.ts";
import type { Leap } from "../time/clock-record.ts";

/** By the number of each state: jobs that ended before this instant are dropped now. */
export type Cutoffs = Record<3 | 4 | 5, number>;

/** The time of the clock, and the leaps that led to it. */
export interface ClockHistory {
  now: number;
  leaps: readonly Leap[];
}

/** Whether jobs with this time to keep are dropped day by day. */
export function isCoarse(keepMs: number): boolean {
  return keepMs >= dayMs;
}

/**
 * Jobs that are kept for a day or more expire at the midnight (UTC) after their time, so that most jobs of a day expire
 * together and its tables can be rewritten without them. Others expire to the millisecond.
 */
export function cutoffsAt(history: ClockHistory, keepMs: Policy["keepMs"]): Cutoffs {
  const endedUntil = (keep: number) => {
    const since = keptSince(history, keep);
    return isCoarse(keep) ? Math.floor(since / dayMs) * dayMs - 1 : since;
  };
  return { 3: endedUntil(keepMs.SUCCEEDED), 4: endedUntil(keepMs.DEAD), 5: endedUntil(keepMs.CANCELLED) };
}

/**
 * The instant before which a job must have ended to have been kept for this time. Goes back from leap to leap, and counts only the
 * time between them. A clock that was put back keeps jobs longer.
 */
export function keptSince({ now, leaps }: ClockHistory, keepMs: number): number {
  let [until, left] = [now, keepMs];
  for (const { at, ms } of leaps.toReversed()) {
    const passed = until - at;
    if (passed >= left) break;
    left -= Math.max(0, passed);
    until = Math.min(until, at - ms);
  }
  return Math.min(now - keepMs, until - left);
}
