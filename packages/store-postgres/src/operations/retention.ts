import type { Policy } from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { advance, findOldestDay, lockMs } from "./compaction.ts";
import type { Query } from "../database/connection.ts";
import { sqlState } from "../database/errors.ts";
import { dayMs, dayOf, startOfDay } from "../tables/job-id.ts";
import { tablesOf } from "../tables/job-tables.ts";
import { dropDueJobs } from "./due-jobs.ts";
import { type ClockHistory, cutoffsAt, isCoarse, keptSince } from "./cutoffs.ts";

/** Emptying or dropping the tables of a day may have to move some jobs, and wait for readers. */
const stepMs = 60_000;
/** What two readings of the clock may differ by. */
const slackMs = 1000;

const lock = {
  name: "lock_retention",
  text: `SELECT pg_try_advisory_xact_lock(hashtextextended('ingest.retention', 0)) AS locked, ingest.clock() AS now`,
};

/** Days whose tables only an import may still write to, and which no compaction is rewriting. */
const pastDays = {
  name: "past_days",
  text: "SELECT day FROM ingest.day WHERE day < $1 AND stage IN ('open', 'old') ORDER BY day",
};

/** A bounded step of applying retention. */
export type Prune = (keepMs: Policy["keepMs"]) => Promise<{ pruned: number; more: boolean }>;

const nothing = { pruned: 0, more: false };

/** One replica at a time applies retention; the others skip it. */
export function createRetention({ others, partitions, clock }: StoreContext): Prune {
  let looked = 0;

  const alone = <T>(work: (query: Query, history: ClockHistory) => Promise<T>, otherwise: T): Promise<T> =>
    others.transaction(
      async (query) => {
        const [row] = await query<{ locked: boolean; now: string }>(lock);
        if (row?.locked !== true) return otherwise;
        // Not what the clock may have been put forward by since it was checked.
        return work(query, { now: Math.min(Number(row.now), clock.now() + slackMs), leaps: clock.leaps });
      },
      { deadlineMs: stepMs },
    );

  /** Makes old days anew without what is due, a step at a time. */
  const compact = (keepMs: Policy["keepMs"]) =>
    alone(async (query, history) => {
      const row = await findOldestDay(query);
      if (row === undefined || (row.stage === "open" && !isOver(row.day, history, keepMs))) return nothing;
      const pruned = await advance(query, row, { now: history.now, cutoffs: cutoffsAt(history, keepMs) });
      return { pruned, more: true };
    }, nothing);

  const dropLeftovers = (keepMs: Policy["keepMs"]) =>
    alone(
      async (query, history) => dropDueJobs(query, { history, keepMs, oldest: await findOldestDay(query) }),
      // Whoever holds the lock may be at another step, or have left this one to us: two must not leave it to each other.
      { pruned: 0, more: true },
    );

  /** Looks at one day a call. */
  const dropEmptyDay = () =>
    alone(async (query, { now }) => {
      const past = await query<{ day: string }>(pastDays, [dayOf(now - dayMs)]);
      const day = past[looked++ % Math.max(1, past.length)]?.day;
      if (day === undefined || !(await isEmpty(query, day))) return nothing;
      await query({ text: `SET LOCAL lock_timeout = ${lockMs}` });
      const { job, outcome, attempt_error } = tablesOf(day);
      await query({ text: `LOCK TABLE ${job} IN ACCESS EXCLUSIVE MODE` });
      // An import may have put something in before it was locked.
      if (!(await isEmpty(query, day))) return nothing;
      await query({
        text: `DROP TABLE ${job}, ${outcome}, ${attempt_error}; DELETE FROM ingest.day WHERE day = '${day}'`,
      });
      partitions.forget(day);
      return nothing;
    }, nothing);

  return async (keepMs) => {
    const step = await compact(keepMs).catch(unlessLocked);
    const left = await dropLeftovers(keepMs);
    await dropEmptyDay().catch(unlessLocked);
    return { pruned: step.pruned + left.pruned, more: step.more || left.more };
  };
}

/** A reader holds these tables for longer than others may wait for us; the next call tries again. */
function unlessLocked(error: unknown): typeof nothing {
  if (sqlState(error) === "55P03") return nothing;
  throw error;
}

async function isEmpty(query: Query, day: string): Promise<boolean> {
  const rows = await query({ text: `SELECT FROM ${tablesOf(day).job} LIMIT 1` });
  return rows.length === 0;
}

/** Whether the jobs of that day that are dropped day by day have expired. */
function isOver(day: string, history: ClockHistory, keepMs: Policy["keepMs"]): boolean {
  const coarse = Object.values(keepMs).filter(isCoarse);
  if (coarse.length === 0) return false;
  const since = keptSince(history, Math.min(...coarse));
  return startOfDay(day) + dayMs <= Math.floor(since / dayMs) * dayMs;
}
