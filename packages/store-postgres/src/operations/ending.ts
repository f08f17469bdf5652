import type { Hints, JobId } from "@event-ingestion/store";
import { addTally, dueNow, now } from "../tables/sql.ts";

/**
 * The common end of every statement that takes jobs out of lease, after its `v(job_id, attempts, max_attempts, lost, bytes,
 * verdict, delay_ms, error, result)`. verdict: 0 handed back unrun (keeps the budget), 1 again after a delay, 3 to 5 the states.
 * The counters come last, in the order of their keys, as everywhere: so nobody waits for them in a circle. `lead` is the
 * parameter with the lead of dues over the clock.
 */
export function sink(lead: string): string {
  return `o AS (
      INSERT INTO ingest.outcome (job_id, state, attempts, max_attempts, finished_at, result)
      SELECT job_id, verdict, attempts, max_attempts, ${now}, CASE WHEN verdict = 3 THEN result END FROM v
      WHERE verdict >= 3),
    q AS (
      INSERT INTO ingest.queue (job_id, run_at, attempts, max_attempts, lost, bytes)
      SELECT job_id, ${dueNow(lead)} + delay_ms, attempts, max_attempts + (verdict = 0)::int, lost, bytes FROM v
      WHERE verdict < 2),
    a AS (
      INSERT INTO ingest.attempt_error (job_id, attempt, at, error)
      SELECT job_id, attempts, ${now}, error FROM v WHERE error IS NOT NULL),
    t AS (${addTally("SELECT verdict, count(*) FROM v WHERE verdict >= 3 GROUP BY verdict")})`;
}

/** A job that left lease. */
export interface EndedRow {
  job_id: JobId;
  verdict: number;
}

/** Hints: the revisions of these jobs rose, and some may be due at once. */
export function publishEnded(hints: Hints, ended: readonly EndedRow[]): void {
  const jobs = ended.map(({ job_id: jobId }) => jobId);
  hints.publish({ work: ended.some(({ verdict }) => verdict < 2), jobs });
}
