import { type Database, openMemoryDatabase, pragma, query } from "./driver.ts";

/** "EVNT": marks a SQLite file as one of ours. */
export const applicationId = 0x45564e54;

// job is slim, and the only table whose rows are updated. An update rewrites the row, so fields that never change are in body.
// run_at is set exactly while a QUEUED job waits for an instant or was handed back, session exactly while it is RUNNING.
// cancel is 1 while a RUNNING job is asked to stop. When a job ends, cancel stores the lead of the wall clock over the steady
// time: finished_at minus this lead is the end in steady time.
const version2 = `
CREATE TABLE job(
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, salt INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 1,
  attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL, lost INTEGER NOT NULL DEFAULT 0,
  cancel INTEGER NOT NULL DEFAULT 0, run_at INTEGER, session INTEGER, finished_at INTEGER,
  tenant TEXT NOT NULL, event_id TEXT NOT NULL);
CREATE UNIQUE INDEX job_event ON job(event_id, tenant);
CREATE INDEX job_due ON job(run_at) WHERE run_at IS NOT NULL;
CREATE INDEX job_running ON job(session) WHERE session IS NOT NULL;
CREATE INDEX job_alone ON job(session, run_at) WHERE lost >= 2;
CREATE INDEX job_failed ON job(state) WHERE state >= 4;
CREATE TABLE body(
  seq INTEGER PRIMARY KEY, budget INTEGER NOT NULL, event_ts INTEGER NOT NULL, head_crc INTEGER NOT NULL,
  payload_crc INTEGER NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL, trace TEXT);
CREATE TABLE result(seq INTEGER PRIMARY KEY, result BLOB NOT NULL);
CREATE TABLE attempt_error(
  seq INTEGER NOT NULL, attempt INTEGER NOT NULL, at INTEGER NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY(seq, attempt)) WITHOUT ROWID;
CREATE TABLE session(
  id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, worker TEXT NOT NULL, ttl INTEGER NOT NULL,
  remote INTEGER NOT NULL);
CREATE TABLE meta(k INTEGER PRIMARY KEY, v INTEGER NOT NULL);
`;

/** Version 1 was never released. */
const firstVersion = 2;

/**
 * What leads from each version of the tables to the next; the first makes an empty file one of version 2. Never change one
 * that was released: new files go the same way, so that their definitions are those of migrated files to the letter. A new
 * column that never changes enters the checksum of a job only where it is set, or older rows would fail their check.
 */
export const allMigrations: readonly string[] = [version2];

/** `user_version` of an empty file, and of the files that this code reads and writes after it has migrated them. */
export function schemaVersions(migrations: readonly string[] = allMigrations): {
  empty: number;
  first: number;
  last: number;
} {
  return { empty: 0, first: firstVersion, last: firstVersion + migrations.length - 1 };
}

/** Brings a file of version `from` to the last one, each step in one transaction. `migrations` differ in tests only. */
export function migrate(db: Database, from: number, migrations: readonly string[] = allMigrations): void {
  for (const [index, sql] of migrations.entries()) {
    const version = firstVersion + index;
    if (version > from) step(db, { sql, version });
  }
}

/** The definitions as the file holds them; a byte that flips in there can change the meaning of every row. */
export function schemaText(db: Database): string {
  return JSON.stringify(
    query(db, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all(),
  );
}

/** What `schemaText` gives for an undamaged file of that version. */
export function expectedSchemaText(version: number, migrations: readonly string[] = allMigrations): string {
  const db = openMemoryDatabase();
  try {
    migrate(db, 0, migrations.slice(0, version - firstVersion + 1));
    return schemaText(db);
  } finally {
    db.close();
  }
}

function step(db: Database, { sql, version }: { sql: string; version: number }): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(sql);
    pragma(db, `application_id = ${applicationId}`);
    pragma(db, `user_version = ${version}`);
    db.exec("COMMIT");
  } catch (error) {
    // After a full disk SQLite has rolled back by itself.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
