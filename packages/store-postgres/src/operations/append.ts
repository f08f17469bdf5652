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
import type { StoreContext } from "./store-context.ts";
import { passRecoveryBarrier } from "../database/recovery-barrier.ts";
import { byteaArray, int4Array, int8Array, textArray } from "../database/binary-array.ts";
import type { Statement } from "../database/connection.ts";
import { sqlState } from "../database/errors.ts";
import { idSuffixes } from "../tables/job-id.ts";
import { limits } from "../limits.ts";
import type { Pool } from "../database/pool.ts";
import { addTally } from "../tables/sql.ts";

/**
 * One statement, one transaction, one flush. All writers insert keys in one order, so they never wait for each other in a
 * circle. Ids get the time of the database, so that no clock of a replica matters. One row: how the ids begin, and which
 * events, counted from 1, are not new, as nearly none is.
 */
const insert: Statement = {
  name: "append",
  text: `WITH clock AS MATERIALIZED (
    SELECT ms, left(hex, 8) || '-' || right(hex, 4) || '-7000-' || to_hex(2048 + us) AS prefix
    FROM (SELECT ms, lpad(to_hex(ms), 12, '0') AS hex, us
      FROM (SELECT ingest.clock() AS ms, extract(microseconds FROM now())::int % 1000 AS us) AS t) AS t),
  e AS MATERIALIZED (
    SELECT (clock.prefix || u.suffix)::uuid AS job_id, clock.ms, u.*
    FROM clock, unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int4[], $8::text[],
      $9::bytea[], $10::int8[]) WITH ORDINALITY
      AS u(suffix, event_id, tenant, digest, type, event_ts, max_attempts, trace, payload, run_at, place)),
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
  SELECT prefix, CASE WHEN (SELECT count(*) FROM k) < cardinality($1)
    THEN ARRAY(SELECT place::int FROM e WHERE job_id NOT IN (SELECT job_id FROM k)) ELSE '{}' END AS old FROM clock`,
};

/** The known events, counted from 1. The statement looks up each key by itself, whatever the statistics say. */
const existing: Statement = {
  name: "existing",
  text: `SELECT m.place::int, k.* FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS m(event_id, tenant, place)
    CROSS JOIN LATERAL (
      SELECT digest, job_id FROM ingest.event_key
      WHERE event_id = m.event_id COLLATE "C" AND tenant = m.tenant COLLATE "C" LIMIT 1) k`,
};

interface Inserted {
  prefix: string;
  old: number[];
}

interface KeyRow {
  place: number;
  digest: Buffer;
  job_id: JobId;
}

/** The job that has a key. */
interface Known {
  jobId: JobId;
  digest: Uint8Array;
}

/** An event on its way to a job. */
interface Item {
  event: NewEvent;
  digest: Uint8Array;
  /** The first one of the batch with the same key, unless this is it. */
  twin?: Item;
  /** The job that has the key. Only the first one has it. */
  job?: Known;
  isNew: boolean;
}

/** `append` and `lookup` of the port. */
export function createAppend({
  writers,
  others,
  partitions,
  hints,
  caps,
}: StoreContext): Pick<JobStore, "append" | "lookup"> {
  /** Tells the new ones their jobs, and returns the others. */
  const insertNew = async (items: readonly Item[]): Promise<Item[]> => {
    const suffixes = idSuffixes(items.length);
    const call = [insert, parametersOf(suffixes, items), "promises"] as const;
    const [answer] = await writers.query<Inserted>(...call).catch(async (error) => {
      // No partition for today, as after a long pause without maintenance. Nothing was stored.
      if (sqlState(error) !== "23514") throw error;
      await partitions.ensure();
      return writers.query<Inserted>(...call);
    });
    if (answer === undefined) throw new Error("no answer");
    const { prefix, old: places } = answer;
    const old = new Set(places.map((place) => items[place - 1]));
    for (const [index, item] of items.entries()) {
      if (old.size > 0 && old.has(item)) continue;
      item.job = { jobId: `${prefix}${suffixes[index]}`, digest: item.digest };
      item.isNew = true;
    }
    return places.length === 0 ? [] : items.filter(({ isNew }) => !isNew);
  };

  const findKnown = async (pool: Pool, events: readonly NewEvent[]): Promise<Map<NewEvent, Known>> => {
    const rows = await pool.query<KeyRow>(existing, [
      textArray(events.map(({ eventId }) => eventId)),
      textArray(events.map(({ tenant }) => tenant)),
    ]);
    // What another connection made visible may not have reached its standby.
    if (rows.length > 0 && caps.durability === "replica-fsync") await passRecoveryBarrier(pool.query);
    const known = new Map<NewEvent, Known>();
    for (const { place, digest, job_id: jobId } of rows) {
      const event = events[place - 1];
      if (event !== undefined) known.set(event, { jobId, digest });
    }
    return known;
  };

  return {
    async append(batch) {
      if (batch.length === 0) return [];
      checkBatch(batch, caps);
      const items = itemsOf(batch);
      let open = items.filter(({ twin }) => twin === undefined);
      // A key that is neither new nor known belonged to a job that was dropped in between.
      while (open.length > 0) {
        const old = await insertNew(open);
        if (old.length < open.length) hints.publish({ work: true, jobs: [] });
        if (old.length === 0) break;
        const known = await findKnown(
          writers,
          old.map(({ event }) => event),
        );
        for (const item of old) {
          const job = known.get(item.event);
          if (job !== undefined) item.job = job;
        }
        open = old.filter(({ job }) => job === undefined);
      }
      return items.map(answerTo);
    },
    async lookup(batch) {
      const asked = batch.filter((event) => findViolation(event, limits) === undefined);
      const known = asked.length === 0 ? new Map<NewEvent, Known>() : await findKnown(others, asked);
      return batch.map((event) => {
        const job = known.get(event);
        return job === undefined ? null : compared(job, eventDigest(event.type, event.payload));
      });
    },
  };
}

function itemsOf(batch: readonly NewEvent[]): Item[] {
  const firsts = new Map<string, Item>();
  return batch.map((event) => {
    const item: Item = { event, digest: eventDigest(event.type, event.payload), isNew: false };
    // Neither part contains U+0000.
    const key = `${event.tenant}\0${event.eventId}`;
    const twin = firsts.get(key);
    if (twin === undefined) firsts.set(key, item);
    else item.twin = twin;
    return item;
  });
}

function answerTo({ twin, job = twin?.job, digest, isNew }: Item): Appended {
  if (job === undefined) throw new Error("an event without an answer");
  return isNew ? { outcome: "ACCEPTED", jobId: job.jobId } : compared(job, digest);
}

function compared({ jobId, digest }: Known, ofEvent: Uint8Array): Appended {
  return { outcome: Buffer.compare(digest, ofEvent) === 0 ? "DUPLICATE" : "CONFLICT", jobId };
}

function parametersOf(suffixes: readonly string[], items: readonly Item[]): Buffer[] {
  const events = items.map(({ event }) => event);
  return [
    textArray(suffixes),
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
