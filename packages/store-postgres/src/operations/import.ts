import {
  checkImportSize,
  checkStoredJob,
  eventDigest,
  invalid,
  type JobStore,
  keptTrace,
  stateCode,
  type StoredJob,
  unavailable,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from "../database/binary-array.ts";
import { acceptedAt, dayOf, isUuid } from "../tables/job-id.ts";
import { addTally } from "../tables/sql.ts";

/** The new jobs of a batch, locked in the same order as by an append, and how many of them have a key of their own. */
const insert = {
  name: "import",
  text: `WITH e AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int4[], $8::text[],
      $9::bytea[], $10::int4[], $11::int4[], $12::int4[], $13::int4[], $14::int8[], $15::int8[], $16::bytea[])
      AS e(job_id, event_id, tenant, digest, type, event_ts, budget, trace, payload, state, attempts, max_attempts, lost,
        run_at, finished_at, result)
    WHERE NOT EXISTS (SELECT 1 FROM ingest.job j WHERE j.job_id = e.job_id)),
  k AS (
    INSERT INTO ingest.event_key (event_id, tenant, digest, job_id) SELECT event_id, tenant, digest, job_id FROM e
    ORDER BY event_id COLLATE "C", tenant COLLATE "C" ON CONFLICT (event_id, tenant) DO NOTHING RETURNING job_id),
  j AS (
    INSERT INTO ingest.job (job_id, tenant, event_id, type, event_ts, max_attempts, trace, payload)
    SELECT job_id, tenant, event_id, type, event_ts, budget, trace, payload FROM e ORDER BY job_id),
  q AS (
    INSERT INTO ingest.queue (job_id, run_at, attempts, max_attempts, lost, bytes)
    SELECT job_id, run_at, attempts, max_attempts, lost, octet_length(payload) FROM e WHERE state = 1 ORDER BY job_id),
  o AS (
    INSERT INTO ingest.outcome (job_id, state, attempts, max_attempts, finished_at, result)
    SELECT job_id, state, attempts, max_attempts, finished_at, result FROM e WHERE state >= 3 ORDER BY job_id),
  a AS (
    INSERT INTO ingest.attempt_error (job_id, attempt, at, error)
    SELECT f.* FROM unnest($17::uuid[], $18::int4[], $19::int8[], $20::text[]) AS f(job_id, attempt, at, error)
    WHERE f.job_id IN (SELECT job_id FROM e)),
  t AS (${addTally(`SELECT 0, count(*) FROM e
    UNION ALL SELECT state, count(*) FROM e WHERE state >= 3 GROUP BY state`)})
  SELECT (SELECT count(*)::int FROM e) AS jobs, (SELECT count(*)::int FROM k) AS keys`,
};

/** Retention is rewriting the tables of this day, and would lose jobs that come in meanwhile. */
const busyDays = {
  name: "busy_days",
  text: "SELECT day FROM ingest.day WHERE day = ANY ($1::text[]) AND stage NOT IN ('open', 'old') FOR SHARE",
};

/** Imports jobs of any other store. The id of a job says when it was accepted, and so which partition it belongs to. */
export function createImport({
  writers,
  partitions,
  hints,
  clock,
  caps,
}: StoreContext): Pick<JobStore, "importJobs"> {
  return {
    async importJobs(jobs) {
      checkImportSize(jobs, caps);
      for (const job of jobs) refuseInvalid(job, caps);
      const daysOfJobs = new Set(jobs.map(({ jobId }) => dayOf(acceptedAt(jobId))));
      await partitions.ensure(daysOfJobs);
      await writers.transaction(
        async (query) => {
          const [busy] = await query<{ day: string }>(busyDays, [textArray([...daysOfJobs])]);
          if (busy !== undefined)
            throw unavailable(`the jobs of ${busy.day} are being cleared; try again later`);
          const [row] = await query<{ jobs: number; keys: number }>(insert, parametersOf(jobs, clock.leadMs));
          if (row?.jobs !== row?.keys) throw invalid("the event id of a job belongs to another job");
        },
        { effect: "promises" },
      );
      hints.publish({ work: true, jobs: jobs.map(({ jobId }) => jobId) });
    },
  };
}

/** @throws StoreError invalid */
function refuseInvalid(job: StoredJob, caps: StoreContext["caps"]): void {
  if (!isUuid(job.jobId) || acceptedAt(job.jobId) !== job.acceptedAt) {
    throw invalid(`${job.jobId} is no id of a job accepted at ${job.acceptedAt}`);
  }
  checkStoredJob(job, caps);
}

function parametersOf(jobs: readonly StoredJob[], leadMs: number): Buffer[] {
  const errors = jobs.flatMap(({ jobId, errors: own }) => own.map((error) => ({ jobId, ...error })));
  return [
    uuidArray(jobs.map(({ jobId }) => jobId)),
    textArray(jobs.map(({ eventId }) => eventId)),
    textArray(jobs.map(({ tenant }) => tenant)),
    byteaArray(jobs.map(({ type, payload }) => eventDigest(type, payload))),
    textArray(jobs.map(({ type }) => type)),
    int8Array(jobs.map(({ timestamp }) => timestamp)),
    int4Array(jobs.map(({ budget }) => budget)),
    textArray(jobs.map(({ trace }) => keptTrace(trace))),
    byteaArray(jobs.map(({ payload }) => payload)),
    int4Array(jobs.map(({ state }) => stateCode[state])),
    int4Array(jobs.map(({ attempts }) => attempts)),
    int4Array(jobs.map(({ maxAttempts }) => maxAttempts)),
    int4Array(jobs.map(({ losses }) => losses)),
    int8Array(jobs.map((job) => instant(dueAt(job, leadMs)))),
    int8Array(jobs.map(({ finishedAt }) => instant(finishedAt))),
    byteaArray(jobs.map(({ result }) => result ?? null)),
    uuidArray(errors.map(({ jobId }) => jobId)),
    int4Array(errors.map(({ attempt }) => attempt)),
    int8Array(errors.map(({ at }) => instant(at))),
    textArray(errors.map(({ error }) => error)),
  ];
}

/** As of the jobs of this store: see `Clock`. */
function dueAt({ attempts, nextAttemptAt, acceptedAt: at }: StoredJob, leadMs: number): number {
  return attempts > 0 ? (nextAttemptAt ?? at) + leadMs : (nextAttemptAt ?? at);
}

function instant(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}
