import {
  canonicalId,
  checkVerdict,
  type JobId,
  type JobStore,
  keptError,
  keptErrors,
  type Verdict,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from "../database/binary-array.ts";
import type { Claims } from "./claim.ts";
import { sink } from "./ending.ts";
import { isUuid } from "../tables/job-id.ts";

/** Some centuries. */
const maxDelayMs = 1e13;

/**
 * (session, job, attempt) is the fence. The ids are sorted and different, so the place of a job among them, counted from 1,
 * is found by bisection: a join would be planned for the ten rows that Postgres expects of any array. Leases are locked in
 * the order of ids, as everywhere. One row: which verdicts came too late, as nearly never one does; whether jobs are due
 * again.
 */
const settle = {
  name: "settle",
  text: `WITH g AS (
      DELETE FROM ingest.lease WHERE job_id = ANY ($2::uuid[]) AND session_id = $1
        AND attempts = ($3::int4[])[width_bucket(job_id, $2)]
      RETURNING *, width_bucket(job_id, $2) AS place),
    v AS (
      SELECT job_id, attempts, max_attempts, lost, bytes, ($5::int8[])[place] AS delay_ms, ($6::text[])[place] AS error,
        ($7::bytea[])[place] AS result,
        (CASE WHEN wanted < 2 AND cancel_requested THEN 5
          WHEN wanted = 1 AND attempts >= max_attempts THEN 4 ELSE wanted END)::int2 AS verdict
      FROM (SELECT *, ($4::int4[])[place] AS wanted FROM g) AS g),
    ${sink("$8")}
    SELECT EXISTS (SELECT FROM v WHERE verdict < 2) AS again,
      CASE WHEN (SELECT count(*) FROM g) < cardinality($2)
        THEN ARRAY(SELECT generate_series(1, cardinality($2)) EXCEPT SELECT place FROM g) ELSE '{}' END AS late`,
};

interface Settled {
  again: boolean;
  late: number[];
}

/** Deletes errors that readers no longer look at. A later failure of the job deletes those that this one misses. */
const dropOldErrors = {
  name: "drop_old_errors",
  text: `DELETE FROM ingest.attempt_error e USING unnest($1::uuid[], $2::int4[]) AS f(job_id, attempt)
    WHERE e.job_id = f.job_id AND e.attempt <= f.attempt`,
};

const codes: Record<Verdict["as"], number> = { release: 0, retry: 1, succeeded: 3, dead: 4, cancelled: 5 };

/** `settle` of the port. */
export function createSettle(
  { others, hints, clock }: StoreContext,
  claims: Claims,
): Pick<JobStore, "settle"> {
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

  /** Those that counted, of verdicts on different jobs. */
  const settleSome = async (session: string, verdicts: readonly Verdict[]): Promise<Verdict[]> => {
    const parameters = [session, ...parametersOf(verdicts), clock.leadMs];
    const [answer] = await others.query<Settled>(settle, parameters, "promises");
    if (answer === undefined) throw new Error("no answer");
    const late = new Set(answer.late);
    const settled = late.size === 0 ? [...verdicts] : verdicts.filter((_, index) => !late.has(index + 1));
    const work = claims.wasKeptBack(session) || answer.again;
    hints.publish({ work, jobs: settled.map(({ jobId }) => jobId) });
    return settled;
  };

  return {
    async settle({ id: session }, verdicts) {
      for (const verdict of verdicts) checkVerdict(verdict);
      if (!isUuid(session)) return verdicts.map(() => "lost");
      const named = verdicts.map(withCanonicalId);
      const settled = new Set<Verdict>();
      for (const some of onePerJob(named)) {
        for (const verdict of await settleSome(session, some)) settled.add(verdict);
      }
      await forgetOldErrors(settled);
      return named.map((verdict) => (settled.delete(verdict) ? "ok" : "lost"));
    },
  };
}

/** The verdict itself, unless its id is in upper case. */
function withCanonicalId(verdict: Verdict): Verdict {
  const jobId = canonicalId(verdict.jobId);
  return jobId === verdict.jobId ? verdict : { ...verdict, jobId };
}

/** The first verdict on each job, then the second ones and so on, each sorted by the ids; without those on no attempt. */
function onePerJob(verdicts: readonly Verdict[]): Verdict[][] {
  const rounds: Verdict[][] = [];
  const counts = new Map<JobId, number>();
  for (const verdict of verdicts) {
    const { jobId, attempt } = verdict;
    if (!isUuid(jobId) || (attempt | 0) !== attempt) continue;
    const count = counts.get(jobId) ?? 0;
    counts.set(jobId, count + 1);
    (rounds[count] ??= []).push(verdict);
  }
  for (const round of rounds) round.sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
  return rounds;
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
