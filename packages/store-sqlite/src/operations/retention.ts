import type { Policy } from "@event-ingestion/store";
import { maxLeadMs } from "./append.ts";
import { type Query, query } from "../database/driver.ts";
import { stateName } from "../tables/job-state.ts";
import type { StoreContext } from "./store-context.ts";

const sliceRows = 500;

interface AgingRow {
  seq: number;
  at: number;
  state: number;
  finished_at: number | null;
}

type KeepMs = Policy["keepMs"];

/** Drops what is due in one slice of the jobs, key and all. `more`: call again. */
export type Prune = (keepMs: KeepMs) => { pruned: number; more: boolean };

/**
 * Walks all jobs by `seq`, and so by age, up to those too young to be dropped in any state. Those that stay behind the
 * walk (alive, or kept longer) are looked at again once the first of them may be due. Only when a job ended decides: one
 * that was accepted in times to come, by a clock that was ahead, says nothing about the age of those after it.
 */
export function createRetention({ db, clock, counters }: StoreContext): Prune {
  const slice: Query<AgingRow> = query(
    db,
    `SELECT seq, at, state, finished_at FROM job WHERE seq > ? ORDER BY seq LIMIT ${sliceRows}`,
  );
  const dropJobs = db.prepare(`DELETE FROM job WHERE seq BETWEEN ? AND ? AND (
    (state = 3 AND finished_at <= ?) OR (state = 4 AND finished_at <= ?) OR (state = 5 AND finished_at <= ?))`);
  const dropRest = ["body", "result", "attempt_error"].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE seq BETWEEN ? AND ?
      AND NOT EXISTS (SELECT 1 FROM job WHERE job.seq = ${table}.seq)`),
  );
  let policy = "";

  const startOver = () => {
    counters.set("agedSeq", 0);
    counters.set("agedUntil", Number.MAX_SAFE_INTEGER);
  };

  return (keepMs) => {
    const now = clock.now();
    const shortest = Math.min(keepMs.SUCCEEDED, keepMs.DEAD, keepMs.CANCELLED);
    const isSamePolicy = JSON.stringify(keepMs) === policy;
    if (!isSamePolicy || counters.get("agedUntil") <= now) startOver();
    policy = JSON.stringify(keepMs);

    const rows = slice.all(counters.get("agedSeq"));
    const young = rows.findIndex(({ at }) => at > now - shortest && at <= now + maxLeadMs);
    const old = young < 0 ? rows : rows.slice(0, young);
    const [first, last] = [old[0], old.at(-1)];
    if (first === undefined || last === undefined) return { pruned: 0, more: false };

    let pruned = 0;
    let agedUntil = counters.get("agedUntil");
    for (const { state: code, finished_at: finishedAt } of old) {
      const state = stateName(code);
      const isFinal = state === "SUCCEEDED" || state === "DEAD" || state === "CANCELLED";
      const dueAt = isFinal && finishedAt !== null ? finishedAt + keepMs[state] : Infinity;
      if (isFinal && dueAt <= now) {
        counters.moved(1, { from: state });
        pruned++;
      } else {
        // A job that is redriven meanwhile can be due that soon.
        agedUntil = Math.min(agedUntil, dueAt, now + shortest);
      }
    }
    if (pruned > 0) {
      dropJobs.run(first.seq, last.seq, now - keepMs.SUCCEEDED, now - keepMs.DEAD, now - keepMs.CANCELLED);
      for (const statement of dropRest) statement.run(first.seq, last.seq);
    }
    counters.set("agedSeq", last.seq);
    counters.set("agedUntil", agedUntil);
    return { pruned, more: old.length === sliceRows };
  };
}
