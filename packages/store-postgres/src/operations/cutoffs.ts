import type { Policy } from "@event-ingestion/store";
import { dayMs } from "../tables/job-id.ts";

/** Until when the jobs that are dropped now have ended, by the numbers of their states. */
export type Cutoffs = Record<3 | 4 | 5, number>;

/** Whether jobs that are kept so long are dropped by days. */
export function isCoarse(keepMs: number): boolean {
  return keepMs >= dayMs;
}

/**
 * Jobs that are kept for a day or more are due at the midnight (UTC) after their time, so that most jobs of a day are due
 * together and its tables can be made anew without them; others are due to the millisecond.
 */
export function cutoffsAt(now: number, keepMs: Policy["keepMs"]): Cutoffs {
  const endedUntil = (keep: number) =>
    isCoarse(keep) ? Math.floor((now - keep) / dayMs) * dayMs - 1 : now - keep;
  return { 3: endedUntil(keepMs.SUCCEEDED), 4: endedUntil(keepMs.DEAD), 5: endedUntil(keepMs.CANCELLED) };
}
