import { checkVerdict, type JobStore, keptError, keptErrors, type Verdict } from "@event-ingestion/store";
import type { Area } from "./area.ts";
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from "./binary-array.ts";
import type { Claims } from "./claim.ts";
import { type EndedRow, publishEnded, sink } from "./ending.ts";
import { isUuid } from "./job-id.ts";

/** Some centuries. */
const maxDelayMs = 1e13;

/** Rows returned: ok; all others: lost. (session, job, attempt) is the fence. */
const settle = {
  name: "settle",
  text: `WITH s AS MATERIALIZED (
      SELECT * FROM unnest($2::uuid[], $3::int4[], $4::int4[], $5::int8[], $6::text[], $7::bytea[])
        AS s(job_id, attempt, verdict, delay_ms, error, result)),
    k AS MATERIALIZED (
      SELECT l.job_id FROM s JOIN ingest.lease l ON l.job_id = s.job_id
      WHERE l.session_id = $1 AND l.attempts = s.attempt ORDER BY l.job_id FOR UPDATE OF l),
    g AS (DELETE FROM ingest.lease WHERE job_id = ANY (ARRAY(SELECT job_id FROM k)) RETURNING *),
    v AS (
      SELECT g.job_id, g.attempts, g.max_attempts, g.lost, g.bytes, s.delay_ms, s.error, s.result,
        (CASE WHEN s.verdict < 2 AND g.cancel_requested THEN 5
          WHEN s.verdict = 1 AND g.attempts >= g.max_attempts THEN 4 ELSE s.verdict END)::int2 AS verdict
      FROM g JOIN s ON s.job_id = g.job_id AND s.attempt = g.attempts),
    ${sink} SELECT job_id, verdict, attempts FROM v`,
};

interface SettledRow extends EndedRow {
  attempts: number;
}

/** Readers do not look at more, so this is housekeeping: what it misses, the next failure of the job clears. */
const dropOldErrors = {
  name: "drop_old_errors",
  text: `DELETE FROM ingest.attempt_error e USING unnest($1::uuid[], $2::int4[]) AS f(job_id, attempt)
    WHERE e.job_id = f.job_id AND e.attempt <= f.attempt`,
};

const codes: Record<Verdict["as"], number> = { release: 0, retry: 1, succeeded: 3, dead: 4, cancelled: 5 };

export function createSettle({ others, hints }: Area, claims: Claims): Pick<JobStore, "settle"> {
  const forgetOldErrors = async (settled: readonly SettledRow[]) => {
    const old = settled.filter(
      ({ attempts, verdict }) => attempts > keptErrors && (verdict === 1 || verdict === 4),
    );
    if (old.length === 0) return;
    const parameters = [
      uuidArray(old.map(({ job_id: id }) => id)),
      int4Array(old.map(({ attempts }) => attempts - keptErrors)),
    ];
    await others.query(dropOldErrors, parameters, "commits").catch(() => undefined);
  };

  return {
    async settle({ id: session }, verdicts) {
      for (const verdict of verdicts) checkVerdict(verdict);
      const items = isUuid(session) ? distinct(verdicts) : [];
      if (items.length === 0) return verdicts.map(() => "lost");
      const rows = await others.query<SettledRow>(settle, [session, ...parametersOf(items)], "promises");
      publishEnded(hints, rows);
      if (claims.wasKeptBack(session)) hints.publish({ work: true, jobs: [] });
      await forgetOldErrors(rows);
      const settled = new Set(rows.map(({ job_id: jobId, attempts: attempt }) => keyOf({ jobId, attempt })));
      // The second verdict on an attempt in one call is as late as in a later one.
      return verdicts.map((verdict) => (settled.delete(keyOf(verdict)) ? "ok" : "lost"));
    },
  };
}

function keyOf({ jobId, attempt }: Pick<Verdict, "jobId" | "attempt">): string {
  return `${jobId} ${attempt}`;
}

/** The first verdict on each attempt that there may be. */
function distinct(verdicts: readonly Verdict[]): Verdict[] {
  const seen = new Set<string>();
  return verdicts.filter((verdict) => {
    const { jobId, attempt } = verdict;
    const isNew = !seen.has(keyOf(verdict)) && isUuid(jobId) && (attempt | 0) === attempt;
    if (isNew) seen.add(keyOf(verdict));
    return isNew;
  });
}

function parametersOf(verdicts: readonly Verdict[]): Buffer[] {
  return [
    uuidArray(verdicts.map(({ jobId }) => jobId)),
    int4Array(verdicts.map(({ attempt }) => attempt)),
    int4Array(verdicts.map(({ as }) => codes[as])),
    int8Array(verdicts.map((verdict) => (verdict.as === "retry" ? storedDelay(verdict.delayMs) : 0n))),
    textArray(verdicts.map((verdict) => ("error" in verdict ? keptError(verdict.error) : null))),
    byteaArray(verdicts.map((verdict) => (verdict.as === "succeeded" ? (verdict.result ?? null) : null))),
  ];
}

function storedDelay(ms: number): bigint {
  return BigInt(Math.ceil(Math.min(Math.max(ms, 0), maxDelayMs)));
}
