import { randomInt } from "node:crypto";
import {
  failuresBefore,
  type JobId,
  type JobStore,
  type Leased,
  lossesBeforeIsolation,
  maxClaimBytes,
  StoreError,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import type { Query } from "../database/connection.ts";
import { type EndedRow, publishEnded, sink } from "./ending.ts";
import { damaged } from "../database/errors.ts";
import { acceptedAt, dayOf, isUuid } from "../tables/job-id.ts";
import { type JobSearch, searchDay, searchJobs } from "./job-search.ts";
import { plainBytes, uuidArray } from "../database/binary-array.ts";
import { createQueueHead } from "./queue-head.ts";
import { dueNow, isDue, now } from "../tables/sql.ts";

/** Jobs that one claim hands out at most. */
const maxClaim = 10_000;
/** Roughly what a leased job occupies beside its payload. */
const overheadBytes = 512;

/**
 * Rows of queue are never updated, so one that is locked stays where it is, and deleting it by its place cannot pick a bad
 * plan whatever the statistics say. FOR SHARE keeps the session from being ended meanwhile. At least one row comes back:
 * it tells whether jobs that run alone keep this session from others. Only if there are such jobs does it matter whether
 * the session is busy. Events come along if they are in the table that is asked.
 */
const leaseBy = (isDueAt: string, dueAt: string, job: string) => `WITH s AS (
      SELECT FROM ingest.session
      WHERE session_id = $1 AND expires_at > $5 AND $3 <> ALL (refused_claims) FOR SHARE),
    b AS MATERIALIZED (
      SELECT EXISTS (SELECT FROM ingest.lease WHERE session_id = $1 AND lost >= ${lossesBeforeIsolation}) AS lone,
        CASE WHEN EXISTS (SELECT FROM ingest.queue WHERE run_at <= ${dueAt} AND lost >= ${lossesBeforeIsolation})
          THEN EXISTS (SELECT FROM ingest.lease WHERE session_id = $1) END AS busy),
    alone AS MATERIALIZED (
      SELECT ctid AS tid, * FROM ingest.queue
      WHERE run_at <= ${dueAt} AND lost >= ${lossesBeforeIsolation}
        AND EXISTS (SELECT FROM s) AND EXISTS (SELECT FROM b WHERE NOT busy)
      ORDER BY run_at, job_id LIMIT 1 FOR UPDATE SKIP LOCKED),
    company AS MATERIALIZED (
      SELECT ctid AS tid, * FROM ingest.queue
      WHERE ${isDueAt} AND run_at >= $4 AND lost < ${lossesBeforeIsolation} AND EXISTS (SELECT FROM s)
        AND EXISTS (SELECT FROM b WHERE NOT lone AND busy IS NOT TRUE) AND NOT EXISTS (SELECT FROM alone)
      ORDER BY run_at, job_id LIMIT $2 FOR UPDATE SKIP LOCKED),
    c AS (
      SELECT *, sum(bytes + ${overheadBytes}) OVER (ORDER BY run_at, job_id) - bytes - ${overheadBytes} AS before
      FROM (SELECT * FROM alone UNION ALL SELECT * FROM company) AS q),
    p AS MATERIALIZED (SELECT * FROM c WHERE before < ${maxClaimBytes}),
    d AS (DELETE FROM ingest.queue WHERE ctid = ANY (ARRAY(SELECT tid FROM p))),
    l AS (
      INSERT INTO ingest.lease (job_id, session_id, claim, attempts, max_attempts, lost, bytes)
      SELECT job_id, $1, $3, attempts + 1, max_attempts, lost, bytes FROM p)
    SELECT b.lone OR b.busy IS TRUE AS kept_back, p.run_at AS due_at, p.job_id, p.attempts + 1 AS attempt, p.max_attempts, p.lost, j.*
    FROM b LEFT JOIN p ON true LEFT JOIN LATERAL (
      SELECT tenant, event_id, type, event_ts, max_attempts AS budget, trace, payload FROM ${job} WHERE job_id = p.job_id LIMIT 1) j ON true`;

const lease: JobSearch = {
  kind: "claim",
  textOf: ({ job }) => leaseBy(`run_at <= ${now}`, now, job),
};

/** The same while dues are ahead of the clock by $6, which costs each claim a little more. */
const leaseAhead: JobSearch = {
  kind: "claim_ahead",
  textOf: ({ job }) => leaseBy(isDue("$6"), dueNow("$6"), job),
};

const events: JobSearch = {
  kind: "events",
  textOf: ({
    job,
  }) => `SELECT job_id, tenant, event_id, type, event_ts, max_attempts AS budget, trace, payload FROM ${job}
    WHERE job_id = ANY ($1::uuid[])`,
};

interface EventRow {
  tenant: string;
  event_id: string;
  type: string;
  event_ts: string;
  budget: number;
  trace: string | null;
  payload: Buffer;
}

type LeaseRow = {
  kept_back: boolean;
  due_at: string;
  job_id: JobId;
  attempt: number;
  max_attempts: number;
  lost: number;
} & (EventRow | { [column in keyof EventRow]: null });

/** A row without a job: nothing was claimed. */
type ClaimRow = LeaseRow | { kept_back: boolean; job_id: null };

/** Waits for a claim that is under way, and makes a later one fail. */
const refuse = {
  name: "refuse_claim",
  text: "UPDATE ingest.session SET refused_claims = refused_claims || $2::int WHERE session_id = $1",
};

const release = {
  name: "release",
  text: `WITH k AS MATERIALIZED (
      SELECT job_id FROM ingest.lease WHERE session_id = $1 AND ($2::int IS NULL OR claim = $2)
      ORDER BY job_id FOR UPDATE),
    g AS (DELETE FROM ingest.lease WHERE job_id = ANY (ARRAY(SELECT job_id FROM k)) RETURNING *),
    v AS (
      SELECT job_id, attempts, max_attempts, lost, bytes, (CASE WHEN cancel_requested THEN 5 ELSE 0 END)::int2 AS verdict,
        0::int8 AS delay_ms, NULL::text AS error, NULL::bytea AS result FROM g),
    ${sink("$3")} SELECT job_id, verdict FROM v`,
};

const open = {
  name: "open_sessions",
  text: "SELECT session_id AS id FROM ingest.session WHERE session_id = ANY ($1::uuid[]) AND expires_at > $2",
};

/** Hands back, unrun, all jobs of a session or those of one claim. */
export function releaseLeases(
  query: Query,
  { session, claim, leadMs }: { session: string; claim: number | null; leadMs: number },
): Promise<EndedRow[]> {
  return query<EndedRow>(release, [session, claim, leadMs]);
}

/** Claims, and the cleaning up after claims whose answers were lost. */
export interface Claims extends Pick<JobStore, "claim"> {
  /** Whether the session got nothing because an isolated job waits for an empty session. Answers once. */
  wasKeptBack: (session: string) => boolean;
  /** Drops what was noted for sessions that have ended, wherever they did. */
  forgetEnded: () => Promise<void>;
  /**
   * Takes back jobs leased by claims whose answers were lost: their session lives on without knowing of them, so nobody would ever
   * run them.
   */
  takeBack: () => Promise<void>;
}

/** `claim` of the port; remembers unanswered claims and sessions that wait for an isolated job. */
export function createClaims(context: StoreContext): Claims {
  const { others, hints, clock } = context;
  const head = createQueueHead();
  const unanswered = new Set<{ session: string; claim: number }>();
  const keptBack = new Set<string>();
  /** Of the last job that was claimed: the next ones are of the same day, but for one claim a day. */
  let day = dayOf(Date.now());

  const takeBack = async () => {
    for (const each of unanswered) {
      const ended = await others.transaction(async (query) => {
        await query(refuse, [each.session, each.claim]);
        return releaseLeases(query, { ...each, leadMs: clock.leadMs });
      });
      unanswered.delete(each);
      publishEnded(hints, ended);
    }
  };

  const forgetEnded = async () => {
    if (keptBack.size === 0) return;
    const rows = await others.query<{ id: string }>(open, [uuidArray([...keptBack]), clock.steady()]);
    const alive = new Set(rows.map(({ id }) => id));
    for (const session of keptBack) if (!alive.has(session)) keptBack.delete(session);
  };

  /** Those that did not come with the claim. */
  const findEvents = async (rows: readonly LeaseRow[]): Promise<Map<JobId, EventRow>> => {
    const ids = rows.filter(({ tenant }) => tenant === null).map(({ job_id: id }) => id);
    if (ids.length === 0) return new Map();
    const found = await searchJobs<EventRow & { job_id: JobId }>(context, ids, events);
    return new Map(found.map((row) => [row.job_id, row]));
  };

  const leaseJobs = async (session: string, max: number): Promise<Leased[]> => {
    const claim = randomInt(2 ** 31);
    const noteUnanswered = () => void unanswered.add({ session, claim });
    const ahead = clock.leadMs > 0 ? [clock.leadMs] : [];
    const values = [session, max, claim, head.next(), clock.steady(), ...ahead];
    const search = ahead.length > 0 ? leaseAhead : lease;
    const call = { values, effect: "commits" } as const;
    const rows = await searchDay<ClaimRow>(context, day, search, call).catch((error: unknown) => {
      if (error instanceof StoreError && error.outcome === "unknown") noteUnanswered();
      throw error;
    });
    if (rows[0]?.kept_back === true) keptBack.add(session);
    else keptBack.delete(session);
    const leased = rows.filter(isLease);
    const oldest = leased.find(({ lost }) => lost < lossesBeforeIsolation);
    if (oldest !== undefined) head.found(Math.min(Number(oldest.due_at), clock.now()));
    const last = leased.at(-1);
    if (last !== undefined) day = dayOf(acceptedAt(last.job_id));
    // For one that runs alone others waited.
    const work = leased.some(({ lost }) => lost >= lossesBeforeIsolation);
    hints.publish({ work, jobs: leased.map(({ job_id: id }) => id) });
    const elsewhere = await findEvents(leased).catch((error: unknown) => {
      noteUnanswered();
      throw error;
    });
    return leased.map((row) => toLeased(row, row.tenant === null ? elsewhere.get(row.job_id) : row));
  };

  return {
    async claim({ id: session }, max) {
      if (!isUuid(session) || !(max >= 1)) return [];
      await takeBack();
      return leaseJobs(session, Math.trunc(Math.min(max, maxClaim)));
    },
    wasKeptBack: (session) => keptBack.delete(session),
    forgetEnded,
    takeBack,
  };
}

function isLease(row: ClaimRow): row is LeaseRow {
  return row.job_id !== null;
}

function toLeased({ job_id: jobId, attempt, max_attempts: maxAttempts }: LeaseRow, event?: EventRow): Leased {
  if (event === undefined) throw damaged(`job ${jobId} has no event`);
  return {
    jobId,
    attempt,
    failures: failuresBefore(attempt, { maxAttempts, budget: event.budget }),
    acceptedAt: acceptedAt(jobId),
    event: {
      tenant: event.tenant,
      eventId: event.event_id,
      type: event.type,
      payload: plainBytes(event.payload),
      timestamp: BigInt(event.event_ts),
      maxAttempts,
      ...(event.trace !== null && { trace: event.trace }),
    },
  };
}
