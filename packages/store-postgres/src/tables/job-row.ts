import { type Job, type JobId, revision, stateName } from "@event-ingestion/store";
import { damaged } from "../database/errors.ts";
import { acceptedAt } from "./job-id.ts";
import type { JobTables } from "./job-tables.ts";
import { plainBytes } from "../database/binary-array.ts";

/** A job as the tables have it. */
export interface JobRow {
  job_id: JobId;
  tenant: string;
  event_id: string;
  type: string;
  event_ts: string;
  /** null: it is in no table of a state, which nothing ever makes. */
  state: number | null;
  attempts: number;
  max_attempts: number;
  run_at: string | null;
  finished_at: string | null;
  last_error: string | null;
  result: Buffer | null;
  cancel_requested: boolean;
}

/** Selects the job of `i.id` as a JobRow, with `more` columns. In a lateral join `LIMIT 1` is what makes Postgres skip days. */
export function selectJob({ job, outcome, attempt_error }: JobTables, more = ""): string {
  return `SELECT j.job_id, j.tenant, j.event_id, j.type, j.event_ts, q.run_at, o.finished_at, o.result,
      coalesce(l.cancel_requested, false) AS cancel_requested,
      CASE WHEN o.job_id IS NOT NULL THEN o.state WHEN l.job_id IS NOT NULL THEN 2 WHEN q.job_id IS NOT NULL THEN 1 END
        AS state,
      coalesce(o.attempts, l.attempts, q.attempts) AS attempts,
      coalesce(o.max_attempts, l.max_attempts, q.max_attempts) AS max_attempts,
      (SELECT e.error FROM ${attempt_error} e WHERE e.job_id = i.id ORDER BY e.attempt DESC LIMIT 1) AS last_error${more}
    FROM ${job} j LEFT JOIN ${outcome} o ON o.job_id = i.id LEFT JOIN ingest.lease l ON l.job_id = i.id
      LEFT JOIN ingest.queue q ON q.job_id = i.id
    WHERE j.job_id = i.id LIMIT 1`;
}

/**
 * `leadMs` is the lead of dues over the clock.
 *
 * @throws StoreError corrupt if the job is in no state
 */
export function toJob(row: JobRow, leadMs: number): Job {
  const state = stateName(row.state ?? 0);
  if (state === undefined) throw damaged(`job ${row.job_id} is in no state`);
  const { attempts, cancel_requested: cancelRequested } = row;
  const accepted = acceptedAt(row.job_id);
  const dueAt = row.run_at === null ? undefined : Number(row.run_at) - (attempts > 0 ? leadMs : 0);
  const isFresh = attempts === 0 && dueAt === accepted;
  return {
    jobId: row.job_id,
    tenant: row.tenant,
    eventId: row.event_id,
    type: row.type,
    timestamp: BigInt(row.event_ts),
    state,
    attempts,
    maxAttempts: row.max_attempts,
    acceptedAt: accepted,
    ...(dueAt !== undefined && !isFresh && { nextAttemptAt: dueAt }),
    ...(row.finished_at !== null && { finishedAt: Number(row.finished_at) }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    ...(row.result !== null && { result: plainBytes(row.result) }),
    cancelRequested,
    revision: revision({ state, attempts, cancelRequested }),
  };
}
