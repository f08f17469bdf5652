import type { JobId, Policy } from "@event-ingestion/store";
import { uuidArray } from "../database/binary-array.ts";
import { type ClockHistory, cutoffsAt, isCoarse } from "./cutoffs.ts";
import type { DayRow } from "./compaction.ts";
import type { Query } from "../database/connection.ts";
import { acceptedAt, dayMs, dayOf, firstIdAt, maxInstant, startOfDay } from "../tables/job-id.ts";
import { tablesOf } from "../tables/job-tables.ts";
import { addTally } from "../tables/sql.ts";

/** Jobs that one call drops one by one. */
const sliceRows = 1000;

/** The oldest that are due. $1: state, $2: ended until, $3: accepted before this id, $4 and $5: not between these, $6: at most. */
const findDue = {
  name: "find_due",
  text: `SELECT job_id FROM ingest.outcome
    WHERE state = $1 AND finished_at <= $2 AND job_id < $3::uuid AND NOT (job_id >= $4::uuid AND job_id < $5::uuid)
    ORDER BY finished_at LIMIT $6`,
};

/** A job that was redriven since it was found no longer has this outcome, and stays. */
const drop = (day: string) => {
  const { job, outcome, attempt_error } = tablesOf(day);
  return {
    text: `WITH o AS (
        DELETE FROM ${outcome} WHERE job_id = ANY ($1::uuid[]) AND finished_at <= $2 RETURNING job_id, state),
      j AS (DELETE FROM ${job} WHERE job_id = ANY (ARRAY(SELECT job_id FROM o)) RETURNING event_id, tenant),
      e AS (DELETE FROM ${attempt_error} WHERE job_id = ANY (ARRAY(SELECT job_id FROM o))),
      k AS (DELETE FROM ingest.event_key k USING j WHERE k.event_id = j.event_id AND k.tenant = j.tenant),
      t AS (${addTally("SELECT state, -count(*) FROM o GROUP BY state UNION ALL SELECT 0, -count(*) FROM o")})
      SELECT job_id FROM o`,
  };
};

/**
 * Drops some expired jobs one by one, with their keys. `oldest`: the oldest day that is not old yet. Jobs that are dropped by days
 * wait until their day is old, and nothing of a day is touched while it is being rewritten.
 */
export async function dropDueJobs(
  query: Query,
  {
    history,
    keepMs,
    oldest,
  }: { history: ClockHistory; keepMs: Policy["keepMs"]; oldest: DayRow | undefined },
): Promise<{ pruned: number; more: boolean }> {
  const cutoffs = cutoffsAt(history, keepMs);
  const frontier = oldest === undefined ? maxInstant : startOfDay(oldest.day);
  const busyUntil = oldest === undefined || oldest.stage === "open" ? frontier : frontier + dayMs;
  const keeps = [[3, keepMs.SUCCEEDED] as const, [4, keepMs.DEAD] as const, [5, keepMs.CANCELLED] as const];
  let pruned = 0;
  let left = sliceRows;
  for (const [state, keep] of keeps) {
    const ids = [isCoarse(keep) ? frontier : maxInstant, frontier, busyUntil].map(firstIdAt);
    const found = await query<{ job_id: JobId }>(findDue, [state, cutoffs[state], ...ids, left]);
    left -= found.length;
    const byDay = Map.groupBy(found, ({ job_id: id }) => dayOf(acceptedAt(id)));
    for (const [day, rows] of byDay) {
      const due = uuidArray(rows.map(({ job_id: id }) => id).toSorted());
      pruned += (await query(drop(day), [due, cutoffs[state]])).length;
    }
  }
  return { pruned, more: left === 0 };
}
