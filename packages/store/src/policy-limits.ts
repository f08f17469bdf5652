import type { Policy } from "./job-store.ts";
import { invalid } from "./store-error.ts";

/** @throws StoreError notApplied/invalid if a time to keep is not a number of ms from 0 */
export function checkKeepMs(keepMs: Policy["keepMs"]): void {
  for (const state of ["SUCCEEDED", "DEAD", "CANCELLED"] as const) {
    const ms: unknown = keepMs[state];
    if (typeof ms === "number" && Number.isFinite(ms) && ms >= 0) continue;
    throw invalid(`keepMs.${state} must be a number of milliseconds from 0, got ${String(ms)}`);
  }
}
