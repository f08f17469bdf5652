import {
  type Appended,
  checkBatch,
  eventDigest,
  findViolation,
  type JobId,
  type JobStore,
  keptTrace,
  type NewEvent,
} from "@event-ingestion/store";
import type { Area } from "./area.ts";
import { makeSafe } from "./barrier.ts";
import { byteaArray, int4Array, int8Array, textArray } from "./binary-array.ts";
import type { Statement } from "./connection.ts";
import { sqlState } from "./errors.ts";
import { idSuffixes, placeOf } from "./job-id.ts";
import { limits } from "./limits.ts";
import type { Pool } from "./pool.ts";
import { addTally } from "./sql.ts";

/**
 * One statement, one transaction, one flush. All writers insert keys in one order, so they never wait for each other in a
 * circle. Ids get the time of the database, so that no clock of a replica matters.
 */
const insert: Statement = {
  name: "append",
  text: `WITH clock AS MATERIALIZED (
    SELECT ms, lpad(to_hex(ms), 12, '0') || '7000' || to_hex(2048 + us) AS prefix
    FROM (SELECT ingest.clock() AS ms, extract(microseconds FROM now())::int % 1000 AS us) AS t),
  e AS MATERIALIZED (
    SELECT (clock.prefix || u.suffix)::uuid AS job_id, clock.ms, u.*
    FROM clock, unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int4[], $8::text[],
      $9::bytea[], $10::int8[])
      AS u(suffix, event_id, tenant, digest, type, event_ts, max_attempts, trace, payload, run_at)),
  k AS (
    INSERT INTO ingest.event_key (event_id, tenant, digest, job_id) SELECT event_id, tenant, digest, job_id FROM e
    ORDER BY event_id COLLATE "C", tenant COLLATE "C" ON CONFLICT (event_id, tenant) DO NOTHING RETURNING job_id),
  j AS (
    INSERT INTO ingest.job (job_id, tenant, event_id, type, event_ts, max_attempts, trace, payload)
    SELECT job_id, tenant, event_id, type, event_ts, max_attempts, trace, payload FROM e
    WHERE job_id IN (SELECT job_id FROM k) ORDER BY job_id),
  q AS (
    INSERT INTO ingest.queue (job_id, run_at, attempts, max_attempts, lost, bytes)
    SELECT job_id, greatest(run_at, ms), 0, max_attempts, 0, octet_length(payload) FROM e
    WHERE job_id IN (SELECT job_id FROM k) ORDER BY job_id),
  t AS (${addTally("SELECT 0, count(*) FROM k")})
  SELECT job_id FROM k`,
};

const existing: Statement = {
  name: "existing",
  text: `SELECT k.event_id, k.tenant, k.digest, k.job_id FROM unnest($1::text[], $2::text[]) AS m(event_id, tenant)
    JOIN ingest.event_key k ON k.event_id = m.event_id COLLATE "C" AND k.tenant = m.tenant COLLATE "C"`,
};

/** An event with the key under which its twins are found. */
interface Keyed {
  event: NewEvent;
  key: string;
  digest: Uint8Array;
}

interface KeyRow {
  event_id: string;
  tenant: string;
  digest: Buffer;
  job_id: JobId;
}

interface Known {
  jobId: JobId;
  digest: Uint8Array;
}

export function createAppend({
  writers,
  others,
  days,
  hints,
  caps,
}: Area): Pick<JobStore, "append" | "lookup"> {
  /** The ids of those that were new. */
  const insertNew = async (items: readonly Keyed[]): Promise<Map<string, Known>> => {
    const rows = await writers
      .query<{ job_id: JobId }>(insert, parametersOf(items), "promises")
      .catch(async (error) => {
        // No partition for today, as after a long pause without maintenance. Nothing was stored.
        if (sqlState(error) !== "23514") throw error;
        await days.ensure();
        return writers.query<{ job_id: JobId }>(insert, parametersOf(items), "promises");
      });
    return new Map(
      rows.flatMap(({ job_id: jobId }) => {
        const item = items[placeOf(jobId)];
        return item === undefined ? [] : [[item.key, { jobId, digest: item.digest }]];
      }),
    );
  };

  const findKnown = async (pool: Pool, items: readonly Keyed[]): Promise<Map<string, Known>> => {
    const rows = await pool.query<KeyRow>(existing, [
      textArray(items.map(({ event }) => event.eventId)),
      textArray(items.map(({ event }) => event.tenant)),
    ]);
    // What another connection made visible may not have reached its standby.
    if (rows.length > 0 && caps.durability === "replica-fsync") await makeSafe(pool.query);
    return new Map(
      rows.map((row) => [keyOf(row.tenant, row.event_id), { jobId: row.job_id, digest: row.digest }]),
    );
  };

  /** A key that is neither new nor known belonged to a job that was dropped in between. */
  const settleKeys = async (
    items: readonly Keyed[],
  ): Promise<{ fresh: Set<string>; known: Map<string, Known> }> => {
    const known = new Map<string, Known>();
    const fresh = new Set<string>();
    for (let open = items; open.length > 0; open = items.filter(({ key }) => !known.has(key))) {
      for (const [key, job] of await insertNew(open)) {
        known.set(key, job);
        fresh.add(key);
      }
      const old = open.filter(({ key }) => !known.has(key));
      if (old.length === 0) break;
      for (const [key, job] of await findKnown(writers, old)) known.set(key, job);
    }
    return { fresh, known };
  };

  return {
    async append(batch) {
      if (batch.length === 0) return [];
      checkBatch(batch, caps);
      const items = batch.map(keyed);
      const { fresh, known } = await settleKeys(firstOfEachKey(items));
      if (fresh.size > 0) hints.publish({ work: true, jobs: [] });
      return items.map((item): Appended => {
        const { jobId, digest } = known.get(item.key) ?? never(item.key);
        if (fresh.delete(item.key)) return { outcome: "ACCEPTED", jobId };
        return { outcome: Buffer.compare(digest, item.digest) === 0 ? "DUPLICATE" : "CONFLICT", jobId };
      });
    },
    async lookup(batch) {
      const asked = batch.filter((event) => findViolation(event, limits) === undefined).map(keyed);
      const known = asked.length === 0 ? new Map<string, Known>() : await findKnown(others, asked);
      return batch.map((event): Appended | null => {
        const job = known.get(keyOf(event.tenant, event.eventId));
        if (job === undefined) return null;
        const same = Buffer.compare(job.digest, eventDigest(event.type, event.payload)) === 0;
        return { outcome: same ? "DUPLICATE" : "CONFLICT", jobId: job.jobId };
      });
    },
  };
}

function keyed(event: NewEvent): Keyed {
  const { tenant, eventId, type, payload } = event;
  return { event, key: keyOf(tenant, eventId), digest: eventDigest(type, payload) };
}

/** Neither part contains U+0000. */
function keyOf(tenant: string, eventId: string): string {
  return `${tenant}\0${eventId}`;
}

function firstOfEachKey(items: readonly Keyed[]): Keyed[] {
  const seen = new Set<string>();
  return items.filter(({ key }) => !seen.has(key) && seen.add(key));
}

function parametersOf(items: readonly Keyed[]): Buffer[] {
  const events = items.map(({ event }) => event);
  return [
    textArray(idSuffixes(items.length)),
    textArray(events.map(({ eventId }) => eventId)),
    textArray(events.map(({ tenant }) => tenant)),
    byteaArray(items.map(({ digest }) => digest)),
    textArray(events.map(({ type }) => type)),
    int8Array(events.map(({ timestamp }) => timestamp)),
    int4Array(events.map(({ maxAttempts }) => maxAttempts)),
    textArray(events.map(({ trace }) => keptTrace(trace))),
    byteaArray(events.map(({ payload }) => payload)),
    int8Array(events.map(({ runAt }) => (runAt === undefined ? null : BigInt(Math.ceil(runAt))))),
  ];
}

function never(key: string): never {
  throw new Error(`no answer for key ${key}`);
}
