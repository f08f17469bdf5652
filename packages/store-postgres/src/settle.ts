import { checkVerdict, type JobStore, keptError, keptErrors, type Verdict } from "@event-ingestion/store";
import type { Area } from "./area.ts";
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from "./binary-array.ts";
import type { Claims } from "./claim.ts";
import { sink } from "./ending.ts";
import { isUuid } from "./job-id.ts";

/** Some centuries. */
const maxDelayMs = 1e13;

/**
 * (session, job, attempt) is the fence. Each lease is looked up by its id, whatever the statistics say, and they are locked
 * in the order of ids, as everywhere. One row: which verdicts, counted from 1, came too late, as nearly never one does; and
 * whether jobs are due again.
 */
const settle = {
  name: "settle",
  text: `WITH s AS MATERIALIZED (
      SELECT * FROM unnest($2::uuid[], $3::int4[], $4::int4[], $5::int8[], $6::text[], $7::bytea[]) WITH ORDINALITY
        AS s(job_id, attempt, wanted, delay_ms, error, result, place) ORDER BY job_id),
    k AS MATERIALIZED (
      SELECT l.*, s.wanted, s.delay_ms, s.error, s.result, s.place FROM s CROSS JOIN LATERAL (
        SELECT job_id, attempts, max_attempts, lost, bytes, cancel_requested FROM ingest.lease
        WHERE job_id = s.job_id AND session_id = $1 AND attempts = s.attempt FOR UPDATE) l),
    g AS (DELETE FROM ingest.lease WHERE job_id = ANY (ARRAY(SELECT job_id FROM k))),
    v AS (
      SELECT job_id, attempts, max_attempts, lost, bytes, delay_ms, error, result,
        (CASE WHEN wanted < 2 AND cancel_requested THEN 5
          WHEN wanted = 1 AND attempts >= max_attempts THEN 4 ELSE wanted END)::int2 AS verdict
      FROM k),
    ${sink}
    SELECT EXISTS (SELECT FROM v WHERE verdict < 2) AS again,
      CASE WHEN (SELECT count(*) FROM k) < cardinality($2)
        THEN ARRAY(SELECT place::int FROM s WHERE place NOT IN (SELECT place FROM k)) ELSE '{}' END AS late`,
};

interface Settled {
  again: boolean;
  late: number[];
}

/** Readers do not look at more, so this is housekeeping: what it misses, the next failure of the job clears. */
const dropOldErrors = {
  name: "drop_old_errors",
  text: `DELETE FROM ingest.attempt_error e USING unnest($1::uuid[], $2::int4[]) AS f(job_id, attempt)
    WHERE e.job_id = f.job_id AND e.attempt <= f.attempt`,
};

const codes: Record<Verdict["as"], number> = { release: 0, retry: 1, succeeded: 3, dead: 4, cancelled: 5 };

export function createSettle({ others, hints }: Area, claims: Claims): Pick<JobStore, "settle"> {
  const forgetOldErrors = async (settled: Iterable<Verdict>) => {
    const old = [...settled].filter(
      ({ attempt, as }) => attempt > keptErrors && (as === "retry" || as === "dead"),
    );
    if (old.length === 0) return;
    const parameters = [
      uuidArray(old.map(({ jobId }) => jobId)),
      int4Array(old.map(({ attempt }) => attempt - keptErrors)),
    ];
    await others.query(dropOldErrors, parameters, "commits").catch(() => undefined);
  };

  return {
    async settle({ id: session }, verdicts) {
      for (const verdict of verdicts) checkVerdict(verdict);
      const items = isUuid(session) ? distinct(verdicts) : [];
      if (items.length === 0) return verdicts.map(() => "lost");
      const parameters = [session, ...parametersOf(items)];
      const [answer] = await others.query<Settled>(settle, parameters, "promises");
      if (answer === undefined) throw new Error("no answer");
      const late = new Set(answer.late);
      const settled = new Set(items.filter((_, index) => !late.has(index + 1)));
      const work = claims.wasKeptBack(session) || answer.again;
      hints.publish({ work, jobs: Array.from(settled, ({ jobId }) => jobId) });
      await forgetOldErrors(settled);
      // The second verdict on an attempt in one call is as late as in a later one.
      return verdicts.map((verdict) => (settled.delete(verdict) ? "ok" : "lost"));
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
