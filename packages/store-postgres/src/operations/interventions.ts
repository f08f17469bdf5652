import {
  canonicalId,
  type JobId,
  type JobStore,
  lossesBeforeIsolation,
  unavailable,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { uuidArray } from "../database/binary-array.ts";
import type { Query } from "../database/connection.ts";
import { isUuid } from "../tables/job-id.ts";
import { addTally, dueNow, now } from "../tables/sql.ts";

/** How often we look for a job that moves between two tables while we look at one after the other. */
const maxLooks = 20;

/**
 * Lets cancels run one at a time. A job may move from lease to queue between two looks; then a cancel looks again, and so takes
 * locks out of order. Two cancels at once could deadlock.
 */
const oneAtATime = {
  name: "cancel_lock",
  text: "SELECT pg_advisory_xact_lock(hashtextextended('ingest.cancel', 0))",
};

const cancelQueued = {
  name: "cancel_queued",
  text: `WITH k AS (SELECT job_id FROM ingest.queue WHERE job_id = ANY ($1::uuid[]) ORDER BY job_id FOR UPDATE),
    g AS (DELETE FROM ingest.queue WHERE job_id = ANY (ARRAY(SELECT job_id FROM k)) RETURNING *),
    o AS (
      INSERT INTO ingest.outcome (job_id, state, attempts, max_attempts, finished_at)
      SELECT job_id, 5, attempts, max_attempts, ${now} FROM g)
    SELECT job_id, lost FROM g`,
};

const requestCancel = {
  name: "request_cancel",
  text: `UPDATE ingest.lease SET cancel_requested = true WHERE job_id = ANY (ARRAY(
      SELECT job_id FROM ingest.lease WHERE job_id = ANY ($1::uuid[]) ORDER BY job_id FOR UPDATE))
    RETURNING job_id`,
};

/** Must come last: every call locks the counters last. */
const countCancelled = { name: "count_cancelled", text: addTally("SELECT 5, $1::int8") };

/** Attempts are kept, so (job, attempt) never repeats; a CANCELLED job uses one up, so that its revision rises. */
const redrive = {
  name: "redrive",
  text: `WITH k AS (
      SELECT job_id FROM ingest.outcome WHERE job_id = ANY ($1::uuid[]) AND state IN (4, 5) ORDER BY job_id FOR UPDATE),
    g AS (
      DELETE FROM ingest.outcome WHERE job_id = ANY (ARRAY(SELECT job_id FROM k))
      RETURNING job_id, state, attempts + (state = 5)::int AS attempts),
    q AS (
      INSERT INTO ingest.queue (job_id, run_at, attempts, max_attempts, lost, bytes)
      SELECT g.job_id, ${dueNow("$2")}, g.attempts, g.attempts + j.max_attempts, 0, octet_length(j.payload)
      FROM g JOIN ingest.job j ON j.job_id = g.job_id),
    t AS (${addTally("SELECT state, -count(*) FROM g GROUP BY state")})
    SELECT job_id FROM g`,
};

const alive = {
  name: "are_known",
  text: `SELECT i.id AS job_id, EXISTS (SELECT FROM ingest.outcome o WHERE o.job_id = i.id) AS ended
    FROM unnest($1::uuid[]) AS i(id) WHERE EXISTS (SELECT FROM ingest.job j WHERE j.job_id = i.id)`,
};

interface IdRow {
  job_id: JobId;
}

/** What operators do to jobs. */
export function createInterventions({
  others,
  hints,
  clock,
}: StoreContext): Pick<JobStore, "cancel" | "redrive"> {
  return {
    async cancel(ids) {
      const known = distinct(ids);
      if (known.length === 0) return ids.map(() => "unknown");
      const { answers, isWaitOver } = await others.transaction((query) => cancelAll(query, known), {
        effect: "promises",
      });
      hints.publish({ work: isWaitOver, jobs: [...answers.keys()] });
      return ids.map(canonicalId).map((id) => {
        const answer = answers.get(id) ?? "unknown";
        if (answer === "cancelled") answers.set(id, "terminal");
        return answer;
      });
    },
    async redrive(ids) {
      const known = distinct(ids);
      if (known.length === 0) return ids.map(() => "unknown");
      const rows = await others.query<IdRow>(redrive, [uuidArray(known), clock.leadMs], "promises");
      const queued = new Set(rows.map(({ job_id: id }) => id));
      if (queued.size > 0) hints.publish({ work: true, jobs: [...queued] });
      const rest = known.filter((id) => !queued.has(id));
      const there = rest.length === 0 ? [] : await others.query<IdRow>(alive, [uuidArray(rest)]);
      const live = new Set(there.map(({ job_id: id }) => id));
      return ids.map(canonicalId).map((id) => {
        if (!queued.delete(id)) return live.has(id) ? "notTerminal" : "unknown";
        live.add(id);
        return "queued";
      });
    },
  };
}

type Cancelled = "cancelled" | "requested" | "terminal";

interface CancelledIds {
  answers: Map<JobId, Cancelled>;
  /** One of them was to run alone: sessions may have waited for that. */
  isWaitOver: boolean;
}

async function cancelAll(query: Query, ids: readonly JobId[]): Promise<CancelledIds> {
  const answers = new Map<JobId, Cancelled>();
  let isWaitOver = false;
  const note = (rows: readonly IdRow[], answer: Cancelled) => {
    for (const { job_id: id } of rows) answers.set(id, answer);
  };
  const unseen = () => [uuidArray(ids.filter((id) => !answers.has(id)))];
  await query(oneAtATime);
  for (let look = 0, isMissing = true; isMissing; look++) {
    if (look === maxLooks) throw unavailable("a job moves too fast to be cancelled");
    const taken = await query<IdRow & { lost: number }>(cancelQueued, unseen());
    note(taken, "cancelled");
    isWaitOver ||= taken.some(({ lost }) => lost >= lossesBeforeIsolation);
    note(await query<IdRow>(requestCancel, unseen()), "requested");
    const rows = await query<IdRow & { ended: boolean }>(alive, unseen());
    note(
      rows.filter(({ ended }) => ended),
      "terminal",
    );
    isMissing = rows.some(({ ended }) => !ended);
  }
  const cancelled = [...answers.values()].filter((answer) => answer === "cancelled").length;
  if (cancelled > 0) await query(countCancelled, [cancelled]);
  return { answers, isWaitOver };
}

function distinct(ids: readonly JobId[]): JobId[] {
  return [...new Set(ids.map(canonicalId).filter(isUuid))];
}
