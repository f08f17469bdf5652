import { crc32 } from "node:zlib";
import { type Policy, stateName } from "@event-ingestion/store";
import { maxLeadMs } from "./append.ts";
import { type Query, query } from "../database/driver.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

const sliceRows = 500;

/** A job that stays is not looked at again before this part of the shortest time to keep: otherwise the walk never rests. */
const restPart = 1 / 100;

interface AgingRow {
  seq: number;
  at: number;
  state: number;
  finished_at: number | null;
  /** Of the wall clock when it ended. */
  lead: number;
}

type KeepMs = Policy["keepMs"];

/**
 * Walks all jobs by `seq`, and so by age, up to the first that is too young to be dropped in any state. Jobs that stay (alive, or
 * kept longer) are looked at again by the next walk. That begins when the first of them may have expired, but never before this
 * walk is through: jobs at the front that expire all the time must not hide the jobs behind them.
 *
 * Ages are measured in steady time, so that no setting of the wall clock drops a job early. The wall clock decides only how far a
 * walk goes, and so when a job is looked at.
 */
export function createRetention(context: StoreContext): Operations["prune"] {
  const { steadyTime, counters } = context;
  const sliceAfter = createSlices(context);
  const drop = createDrop(context);

  const startOver = () => {
    counters.set("agedSeq", 0);
    counters.set("agedUntil", Number.MAX_SAFE_INTEGER);
  };

  return (keepMs) => {
    const now = steadyTime.now();
    const shortest = Math.min(keepMs.SUCCEEDED, keepMs.DEAD, keepMs.CANCELLED);
    const policy = crc32([keepMs.SUCCEEDED, keepMs.DEAD, keepMs.CANCELLED].join());
    const isRoundOver = counters.get("isAgedThrough") === 1 && counters.get("agedUntil") <= now;
    if (policy !== counters.get("agedPolicy") || isRoundOver) startOver();
    counters.set("agedPolicy", policy);

    const rows = sliceAfter(counters.get("agedSeq"), shortest);
    const dueAts = rows.map((row) => dueAt(row, keepMs));
    const due = rows.filter((_, index) => (dueAts[index] ?? Infinity) <= now);
    drop(rows, new Set(due));
    const next = dueAts.filter((at) => at > now).map((at) => Math.max(at, now + shortest * restPart));
    // A job without an end can be due that soon, if it ends at once.
    const agedUntil = Math.min(counters.get("agedUntil"), now + shortest, ...next);
    if (due.length < rows.length) counters.set("agedUntil", Math.ceil(agedUntil));
    counters.set("agedSeq", rows.at(-1)?.seq ?? counters.get("agedSeq"));
    counters.set("isAgedThrough", rows.length < sliceRows ? 1 : 0);
    return { pruned: due.length, more: rows.length === sliceRows || agedUntil <= now };
  };
}

/** In steady time. */
function dueAt({ state: code, finished_at: finishedAt, lead }: AgingRow, keepMs: KeepMs): number {
  const state = stateName(code);
  if (finishedAt === null || (state !== "SUCCEEDED" && state !== "DEAD" && state !== "CANCELLED"))
    return Infinity;
  return finishedAt - lead + keepMs[state];
}

/** The next jobs of a walk, up to the first that is too young. */
function createSlices({ db, clock, counters }: StoreContext) {
  const following: Query<AgingRow> = query(
    db,
    `SELECT seq, at, state, finished_at, cancel AS lead FROM job WHERE seq > ? ORDER BY seq LIMIT ${sliceRows}`,
  );
  const acceptance = query<{ at: number }>(db, "SELECT at FROM job WHERE seq >= ? ORDER BY seq LIMIT 1");

  /** Below this lie jobs whose acceptance times are in no order, but all of them were accepted before `instant`. */
  const allBefore = (instant: number): number => {
    const orderedSeq = counters.get("orderedSeq");
    const orderedAt = acceptance.get(orderedSeq)?.at ?? counters.get("lastAt");
    return orderedAt <= instant ? orderedSeq : 0;
  };

  return (seq: number, shortest: number): AgingRow[] => {
    const now = clock.now();
    const rows = following.all(seq);
    const oldEnd = allBefore(now - shortest);
    // A time to come was given by a clock that was ahead. It says nothing about the age of the jobs after it.
    const young = rows.findIndex(
      ({ seq: place, at }) => place >= oldEnd && at > now - shortest && at <= now + maxLeadMs,
    );
    return young < 0 ? rows : rows.slice(0, young);
  };
}

/** Drops these of the rows, neighbours together. */
function createDrop({ db, counters }: StoreContext) {
  const dropRange = ["job", "body", "result", "attempt_error"].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE seq BETWEEN ? AND ?`),
  );
  return (rows: readonly AgingRow[], due: ReadonlySet<AgingRow>): void => {
    let first: number | undefined;
    for (const [index, row] of rows.entries()) {
      if (!due.has(row)) continue;
      const from = stateName(row.state);
      if (from !== undefined) counters.moved(1, { from });
      first ??= row.seq;
      const next = rows[index + 1];
      if (next !== undefined && due.has(next)) continue;
      for (const statement of dropRange) statement.run(first, row.seq);
      first = undefined;
    }
  };
}
