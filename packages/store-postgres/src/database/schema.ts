import { invalid } from "@event-ingestion/store";
import type { Query, Statement } from "./connection.ts";
import { incompatible, sqlState } from "./errors.ts";

/**
 * A job is in exactly one of queue, lease and outcome: that is its state. job, outcome and attempt_error are insert-only
 * and have one partition for each UTC day of acceptance (see partitions.ts); queue and lease are slim, since all that is deleted
 * all the time is in them. Instants are milliseconds since 1970, by the database's clock; only the end of a session is in
 * steady time, and the due of a job that ran before has a lead (see clock.ts). meta.clock is the record of that clock.
 *
 * No index has the jobs of each session: when a session ends, all of lease is read. Every claim and settlement would pay for such
 * an index. Also, the planner would prefer it to the ids, and each settlement would read all index entries of the session since
 * the last vacuum.
 */
const version1 = `
CREATE TABLE ingest.meta (k text PRIMARY KEY, v text NOT NULL);
INSERT INTO ingest.meta VALUES ('barrier', '');
CREATE FUNCTION ingest.clock() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
  AS 'SELECT floor(extract(epoch FROM now()) * 1000)::bigint';
CREATE TABLE ingest.day (
  day text PRIMARY KEY, stage text NOT NULL DEFAULT 'open', since bigint NOT NULL DEFAULT 0,
  mark uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  succeeded bigint NOT NULL DEFAULT 0, dead bigint NOT NULL DEFAULT 0, cancelled bigint NOT NULL DEFAULT 0);

CREATE TABLE ingest.event_key (
  event_id text COLLATE "C" NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 128),
  tenant text COLLATE "C" NOT NULL CHECK (octet_length(tenant) <= 128),
  digest bytea NOT NULL, job_id uuid NOT NULL, PRIMARY KEY (event_id, tenant));
CREATE TABLE ingest.job (
  job_id uuid PRIMARY KEY, tenant text COLLATE "C" NOT NULL, event_id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL, event_ts bigint NOT NULL, max_attempts int NOT NULL, trace text,
  payload bytea NOT NULL) PARTITION BY RANGE (job_id);
CREATE TABLE ingest.outcome (
  job_id uuid PRIMARY KEY, state smallint NOT NULL, attempts int NOT NULL, max_attempts int NOT NULL,
  finished_at bigint NOT NULL, result bytea) PARTITION BY RANGE (job_id);
CREATE INDEX outcome_finished ON ingest.outcome (state, finished_at);
CREATE INDEX outcome_failed ON ingest.outcome (state, job_id) WHERE state > 3;
CREATE TABLE ingest.attempt_error (
  job_id uuid, attempt int, at bigint NOT NULL, error text NOT NULL,
  PRIMARY KEY (job_id, attempt)) PARTITION BY RANGE (job_id);

CREATE TABLE ingest.queue (
  job_id uuid PRIMARY KEY, run_at bigint NOT NULL, attempts int NOT NULL, max_attempts int NOT NULL,
  lost smallint NOT NULL, bytes int NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_ready ON ingest.queue (run_at, job_id);
CREATE INDEX queue_alone ON ingest.queue (run_at, job_id) WHERE lost >= 2;
CREATE TABLE ingest.lease (
  job_id uuid PRIMARY KEY, session_id uuid NOT NULL, claim int NOT NULL, attempts int NOT NULL,
  max_attempts int NOT NULL, lost smallint NOT NULL, bytes int NOT NULL,
  cancel_requested boolean NOT NULL DEFAULT false)
  WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lease_alone ON ingest.lease (session_id) WHERE lost >= 2;
CREATE INDEX lease_cancelled ON ingest.lease (session_id) WHERE cancel_requested;
CREATE TABLE ingest.session (
  session_id uuid PRIMARY KEY, worker text NOT NULL, expires_at bigint NOT NULL, refused_claims int[] NOT NULL DEFAULT '{}')
  WITH (fillfactor = 50);
CREATE TABLE ingest.tally (metric smallint, slot smallint, n bigint NOT NULL, PRIMARY KEY (metric, slot))
  WITH (fillfactor = 50);`;

/** What leads from each version of the tables to the next; this code reads and writes the last one. */
const allMigrations: readonly string[] = [version1];

interface Found {
  schema: boolean;
  meta: boolean;
  tables: number;
  may_create: boolean;
  may_use: boolean;
  user: string;
  database: string;
}

const look: Statement = {
  text: `SELECT n.oid IS NOT NULL AS schema, EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'meta') AS meta,
    (SELECT count(*)::int FROM pg_class c WHERE c.relnamespace = n.oid) AS tables,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    coalesce(has_schema_privilege(n.oid, 'CREATE') AND (SELECT coalesce(bool_and(pg_has_role(c.relowner, 'USAGE')), true)
      FROM pg_class c WHERE c.relnamespace = n.oid), false) AS may_use,
    current_user AS user, current_database() AS database
  FROM (SELECT to_regnamespace('ingest')::oid AS oid) n`,
};

/**
 * Makes or updates the tables, inside a transaction. Any number of replicas may do so at once: one does, the others wait.
 * `migrations` differ in tests only.
 *
 * @throws StoreError incompatible: the schema is somebody else's, or that of a newer version; invalid: rights are missing
 */
export async function migrate(query: Query, migrations: readonly string[] = allMigrations): Promise<void> {
  const to = migrations.length;
  await query({ text: "SELECT pg_advisory_xact_lock(hashtextextended('ingest.schema', 0))" });
  const [found] = await query<Found>(look);
  if (found === undefined) return;
  const from = await versionOf(query, found);
  if (from > to) {
    throw incompatible(
      `schema ingest of database ${found.database} has version ${from}, this program knows versions up to ${to}`,
    );
  }
  for (const sql of migrations.slice(from)) await query({ text: sql });
  if (from < to) {
    await query({
      text: `INSERT INTO ingest.meta VALUES ('schema', '${to}') ON CONFLICT (k) DO UPDATE SET v = excluded.v`,
    });
  }
}

async function versionOf(query: Query, found: Found): Promise<number> {
  const { user, database } = found;
  if (!found.schema) {
    if (!found.may_create) {
      throw invalid(
        `user ${user} may not create schema ingest in database ${database}: grant CREATE on the database, or create the schema for that user`,
      );
    }
    await query({ text: "CREATE SCHEMA ingest" });
    return 0;
  }
  if (!found.may_use)
    throw invalid(`user ${user} does not own schema ingest of database ${database} and its tables`);
  if (found.tables === 0) return 0;
  const foreign = incompatible(`schema ingest of database ${database} belongs to another program`);
  if (!found.meta) throw foreign;
  const rows = await query<{ v: string }>({ text: "SELECT v FROM ingest.meta WHERE k = 'schema'" }).catch(
    (error) => {
      throw sqlState(error)?.startsWith("42") ? foreign : error;
    },
  );
  const version = Number(rows[0]?.v);
  if (!Number.isInteger(version)) throw foreign;
  return version;
}
