import type { JobId } from "@event-ingestion/store";
import type { Query } from "../database/connection.ts";
import { dayMs, firstIdAt, startOfDay } from "../tables/job-id.ts";
import { allDays, tablesOf } from "../tables/job-tables.ts";
import type { Cutoffs } from "./cutoffs.ts";
import { addTally } from "../tables/sql.ts";

/** Jobs that one step looks at. A day with fewer jobs is not rewritten; its jobs are dropped one by one. */
const listRows = 10_000;
/** Keys that one step deletes. */
const keyRows = 5000;
/** Also the time that other users of the tables may have to wait. */
export const lockMs = 500;
const noMark = "00000000-0000-0000-0000-000000000000";

/**
 * The stages of a day whose tables are rewritten without their expired jobs:
 * - open: it is as it was written.
 * - listing: its jobs are listed by id, up to `mark`: expired jobs are noted in gone_DAY and counted, the ids of jobs that stay
 *   in kept_DAY. Left for old when more jobs stay than go.
 * - listed: all jobs are listed. The next step empties the tables and puts back the jobs that stay. Only this step locks the day,
 *   for a time that depends on how many jobs stay.
 * - keys: the expired jobs are gone, and their keys are being deleted; done up to the key of the job `mark`.
 * - old: done. Jobs that remain, or expire later, are dropped one by one.
 *
 * Each step is a transaction, so a replica can stop anywhere and any other go on.
 */
export interface DayRow {
  day: string;
  stage: "open" | "listing" | "listed" | "keys";
  mark: JobId;
  /** When the listing began. */
  since: string;
}

const oldestDay = {
  name: "oldest_day",
  text: "SELECT day, stage, mark, since FROM ingest.day WHERE stage <> 'old' ORDER BY day LIMIT 1",
};

/** The oldest day that is not old. */
export async function findOldestDay(query: Query): Promise<DayRow | undefined> {
  const [row] = await query<DayRow>(oldestDay);
  return row;
}

/** Makes the next step for that day, and returns the number of jobs that it removed. */
export async function advance(
  query: Query,
  row: DayRow,
  { now, cutoffs }: { now: number; cutoffs: Cutoffs },
): Promise<number> {
  switch (row.stage) {
    case "open":
      await beginListing(query, row, now);
      return 0;
    case "listing":
      await listSome(query, row, cutoffs);
      return 0;
    case "listed":
      return clear(query, row);
    case "keys":
      await dropSomeKeys(query, row);
      return 0;
  }
}

async function beginListing(query: Query, { day }: DayRow, now: number): Promise<void> {
  const { job } = tablesOf(day);
  const more = await query({ text: `SELECT FROM ${job} ORDER BY job_id OFFSET ${listRows} LIMIT 1` });
  if (more.length === 0) return enter(query, day, "old");
  await query({
    text: `CREATE TABLE ingest.gone_${day} (job_id uuid PRIMARY KEY, state smallint NOT NULL,
        event_id text COLLATE "C" NOT NULL, tenant text COLLATE "C" NOT NULL);
      CREATE TABLE ingest.kept_${day} (job_id uuid PRIMARY KEY);
      UPDATE ingest.day SET since = ${now} WHERE day = '${day}'`,
  });
  await enter(query, day, "listing");
}

async function listSome(query: Query, { day, mark }: DayRow, cutoffs: Cutoffs): Promise<void> {
  const { job, outcome } = tablesOf(day);
  const [found] = await query<{ gone: number; total: number }>(
    {
      text: `WITH b AS MATERIALIZED (
          SELECT job_id, event_id, tenant FROM ${job} WHERE job_id > $1 ORDER BY job_id LIMIT ${listRows}),
        d AS MATERIALIZED (
          SELECT b.*, o.state FROM b LEFT JOIN ${outcome} o ON o.job_id = b.job_id
            AND o.finished_at <= CASE o.state WHEN 3 THEN $2::int8 WHEN 4 THEN $3 ELSE $4 END),
        g AS (
          INSERT INTO ingest.gone_${day} (job_id, state, event_id, tenant)
          SELECT job_id, state, event_id, tenant FROM d WHERE state IS NOT NULL),
        k AS (INSERT INTO ingest.kept_${day} SELECT job_id FROM d WHERE state IS NULL),
        m AS (
          UPDATE ingest.day SET mark = coalesce((SELECT job_id FROM b ORDER BY job_id DESC LIMIT 1), mark),
            succeeded = succeeded + (SELECT count(*) FROM d WHERE state = 3),
            dead = dead + (SELECT count(*) FROM d WHERE state = 4),
            cancelled = cancelled + (SELECT count(*) FROM d WHERE state = 5)
          WHERE day = '${day}')
        SELECT count(state)::int AS gone, count(*)::int AS total FROM d`,
    },
    [mark, cutoffs[3], cutoffs[4], cutoffs[5]],
  );
  if (found === undefined) return;
  if (found.gone * 2 < found.total) {
    await query({ text: `DROP TABLE ingest.gone_${day}, ingest.kept_${day}` });
    await enter(query, day, "old");
  } else if (found.total < listRows) {
    await enter(query, day, "listed");
  }
}

/** Keeps jobs that were redriven after they were listed: they are live, or have ended since. */
async function spareRevived(query: Query, { day, since }: DayRow): Promise<void> {
  const from = firstIdAt(startOfDay(day));
  const to = firstIdAt(startOfDay(day) + dayMs);
  const ofDay = `job_id >= '${from}' AND job_id < '${to}'`;
  await query({
    text: `WITH r AS (
        DELETE FROM ingest.gone_${day} WHERE job_id = ANY (ARRAY(
          SELECT job_id FROM ingest.queue WHERE ${ofDay} UNION SELECT job_id FROM ingest.lease WHERE ${ofDay}
          UNION SELECT job_id FROM ${tablesOf(day).outcome} WHERE state IN (3, 4, 5) AND finished_at >= ${since}))
        RETURNING job_id, state),
      k AS (INSERT INTO ingest.kept_${day} SELECT job_id FROM r)
      UPDATE ingest.day SET succeeded = succeeded - (SELECT count(*) FROM r WHERE state = 3),
        dead = dead - (SELECT count(*) FROM r WHERE state = 4),
        cancelled = cancelled - (SELECT count(*) FROM r WHERE state = 5)
      WHERE day = '${day}'`,
  });
}

async function clear(query: Query, row: DayRow): Promise<number> {
  const { day } = row;
  const names = Object.keys(allDays);
  const tables = Object.values(tablesOf(day)).join(", ");
  await query({ text: `SET LOCAL lock_timeout = ${lockMs}; LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE` });
  await spareRevived(query, row);
  const save = (name: string) =>
    `CREATE TABLE ingest.saved_${name} AS SELECT t.* FROM ingest.kept_${day} k JOIN ingest.${name}_${day} t USING (job_id)`;
  const restore = (name: string) =>
    `INSERT INTO ingest.${name}_${day} SELECT * FROM ingest.saved_${name}; DROP TABLE ingest.saved_${name}`;
  const [{ gone } = { gone: 0 }] = await query<{ gone: number }>({
    text: `SELECT (succeeded + dead + cancelled)::int AS gone FROM ingest.day WHERE day = '${day}'`,
  });
  await query({
    text: `${names.map(save).join("; ")}; TRUNCATE ${tables}; ${names.map(restore).join("; ")};
      DROP TABLE ingest.kept_${day}`,
  });
  await query({
    text: addTally(`SELECT m.metric, -m.n FROM ingest.day d CROSS JOIN LATERAL (VALUES
      (0, succeeded + dead + cancelled), (3, succeeded), (4, dead), (5, cancelled)) AS m(metric, n) WHERE d.day = '${day}'`),
  });
  await enter(query, day, "keys");
  return gone;
}

async function dropSomeKeys(query: Query, { day, mark }: DayRow): Promise<void> {
  const rows = await query<{ job_id: JobId }>(
    {
      text: `WITH g AS MATERIALIZED (
          SELECT job_id, event_id, tenant FROM ingest.gone_${day} WHERE job_id > $1 ORDER BY job_id LIMIT ${keyRows}),
        k AS (
          DELETE FROM ingest.event_key k USING g
          WHERE k.event_id = g.event_id AND k.tenant = g.tenant AND k.job_id = g.job_id)
        SELECT job_id FROM g ORDER BY job_id`,
    },
    [mark],
  );
  const last = rows.at(-1)?.job_id;
  if (last !== undefined)
    await query({ text: `UPDATE ingest.day SET mark = '${last}' WHERE day = '${day}'` });
  if (rows.length === keyRows) return;
  await query({ text: `DROP TABLE ingest.gone_${day}` });
  await enter(query, day, "old");
}

async function enter(query: Query, day: string, stage: DayRow["stage"] | "old"): Promise<void> {
  await query({ text: `UPDATE ingest.day SET stage = '${stage}', mark = '${noMark}' WHERE day = '${day}'` });
}
