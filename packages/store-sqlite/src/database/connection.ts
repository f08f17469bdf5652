import { statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError, unavailable } from "@event-ingestion/store";
import { requireAccess } from "./access.ts";
import { prepareCheckpoint } from "./checkpointer.ts";
import { type Database, openDatabase, openMemoryDatabase, pragma } from "./driver.ts";
import { damaged, severity, toStoreError } from "./errors.ts";
import { settleExit } from "./exit-mark.ts";
import { makeFolder, syncFile } from "./folders.ts";
import { type Known, checkIdentity, isSignedOpen } from "./identity.ts";
import { describeHolder } from "./lock-info.ts";
import { explainWrite } from "./space.ts";
import { exists, keepLog, logPathOf } from "./place.ts";
import { applicationId, expectedSchemaText, migrate, schemaText, schemaVersions } from "./schema.ts";

/** Larger files would keep a start waiting for seconds. */
const maxCheckedBytes = 256 * 1024 * 1024;

/** A file larger than `maxCheckedBytes` was not read through. */
export interface CheckSkipped {
  kind: "check-skipped";
  file: string;
  bytes: number;
}

/** A database in memory: the same tables, without anything that concerns a file. */
export function openMemory(): Database {
  const db = openMemoryDatabase();
  migrate(db, 0);
  return db;
}

/** A file of an earlier version was brought to the version of this program, and earlier programs refuse it. */
export interface Migrated {
  kind: "migrated";
  file: string;
  /** Schema versions. */
  from: number;
  to: number;
}

/** There was no store, and one was made. */
export interface Created {
  kind: "created";
  file: string;
}

/** What is found out about a file that is being opened. */
export type FileEvent = CheckSkipped | Migrated | Created;

/** How a file is opened. */
export interface OpenOptions {
  observe: (event: FileEvent) => void;
  /** The store that this process has had open. Nothing is made then, and no other store is opened. */
  known?: Known | undefined;
  /** For tests: others than those of this version. */
  migrations?: readonly string[];
}

/**
 * Opens or creates the file at an absolute path and checks it: no other process has it open, it is a store of our version and
 * undamaged, and all its content is on the disk.
 *
 * @throws StoreError locked, incompatible, corrupt or unavailable; its content is left as it was
 */
export function openFile(file: string, options: OpenOptions): Database {
  try {
    if (options.known === undefined) makeFolder(dirname(file));
    refuseEmptied(file, options);
    requireAccess(file);
    settleExit(file);
    const hadLog = exists(logPathOf(file));
    const db = openDatabase(file, exists(file) ? "existing" : "create");
    try {
      prepare(db, file, { ...options, hadLog });
      return db;
    } catch (error) {
      db.close();
      if (hadLog && toStoreError(error, { file }).reason !== "locked") keepLog(file);
      throw error;
    }
  } catch (error) {
    throw explained(error, file);
  }
}

function prepare(db: Database, file: string, options: OpenOptions & { hadLog: boolean }): void {
  const { observe, known, hadLog, migrations } = options;
  // Before anything is read, so that the first read takes the lock and keeps it.
  set(db, "locking_mode", "exclusive");
  const version = identify(db, file, options);
  for (const [name, value] of pragmas) set(db, name, value);
  if (version > 0) {
    checkSchema(db, file, expectedSchemaText(version, migrations));
    if (!hadLog && isSignedOpen(db)) throw logMissing(file, known);
    if (known !== undefined) checkIdentity(db, file, known);
    // A process that was killed between write and fsync leaves its commit in the kernel's memory: visible, and gone
    // with the next power cut. Nothing is said about such a commit before it is on the disk.
    makeDurable(db, file);
    check(db, file, observe);
  }
  const { last } = schemaVersions(migrations);
  if (version === last) return;
  migrate(db, version, migrations);
  checkSchema(db, file, expectedSchemaText(last, migrations));
  makeDurable(db, file);
  observe(version === 0 ? { kind: "created", file } : { kind: "migrated", file, from: version, to: last });
}

function checkSchema(db: Database, file: string, expected: string): void {
  if (schemaText(db) !== expected) throw damaged(`store ${file} is damaged (its table definitions differ)`);
}

/** If there is no room to merge the log into the database file, the log itself is fsynced. */
function makeDurable(db: Database, file: string): void {
  try {
    if (prepareCheckpoint(db, "TRUNCATE")().isBusy) throw unavailable(`store ${file} cannot be made durable`);
  } catch (error) {
    const cause = explainWrite(error, file);
    if (severity(cause) !== "stalled") throw error;
    syncFile(logPathOf(file));
  }
}

const pragmas: readonly (readonly [name: string, value: string | number])[] = [
  ["journal_mode", "wal"],
  ["synchronous", 2],
  ["wal_autocheckpoint", 0],
  ["journal_size_limit", 64 * 1024 * 1024],
  // 16 MiB: with four times as much, appends of random ids to a million jobs, claims and settlements cost the same.
  ["cache_size", -16_384],
  ["temp_store", 2],
  ["trusted_schema", 0],
  // macOS acknowledges an fsync that is not on the disk yet.
  ["fullfsync", process.platform === "darwin" ? 1 : 0],
  ["checkpoint_fullfsync", process.platform === "darwin" ? 1 : 0],
  // And no mmap_size: a read error on a mapped page is a signal, not an error.
];

/** @throws StoreError if it did not take effect: durability would be less than promised. */
function set(db: Database, name: string, value: string | number): void {
  pragma(db, `${name} = ${value}`);
  const got = pragma(db, name);
  if (got !== value) {
    throw incompatible(`PRAGMA ${name} must be ${value}, got ${String(got)}`);
  }
}

/** The version of its tables: 0 if it has none. @throws StoreError if it is not a store that can be read */
function identify(db: Database, file: string, { known, migrations }: OpenOptions): number {
  const id = pragma(db, "application_id");
  const version = Number(pragma(db, "user_version"));
  if (id === 0 && version === 0 && schemaText(db) === "[]") {
    if (known !== undefined) throw missing(file);
    if (hasInfo(file)) throw damaged(`store ${file} is empty`);
    return 0;
  }
  if (id !== applicationId) throw incompatible(`${file} is a database of another program`);
  const { first, last } = schemaVersions(migrations);
  if (version > last) {
    throw incompatible(
      `store ${file} has schema version ${version}, this program knows versions up to ${last}: use the newer program that wrote it`,
    );
  }
  if (version < first) {
    throw incompatible(
      `store ${file} has schema version ${version}, which was never released; this program reads versions from ${first}`,
    );
  }
  return version;
}

function incompatible(message: string): StoreError {
  return new StoreError("notApplied", "incompatible", message);
}

function check(db: Database, file: string, observe: (event: FileEvent) => void): void {
  const bytes = statSync(file).size;
  if (bytes > maxCheckedBytes) {
    observe({ kind: "check-skipped", file, bytes });
    return;
  }
  const found = pragma(db, "quick_check(1)");
  if (found !== "ok") throw damaged(`store ${file} is damaged (${String(found).replaceAll("\n", " ")})`);
}

/** An empty or missing file beside an info file, or where the store was open, is a loss and not a new store. */
function refuseEmptied(file: string, { known }: OpenOptions): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 0) return;
  if (known !== undefined) throw missing(file);
  if (hasInfo(file)) throw damaged(`store ${file} is empty or missing, but ${file}-info is there`);
}

function missing(file: string): StoreError {
  return unavailable(
    `store ${file}, which was open, is empty or missing (deleted, moved or unmounted): put it back`,
  );
}

function logMissing(file: string, known: Known | undefined): StoreError {
  const log = logPathOf(file);
  const what = `store ${file} was not closed, and its log ${log} is missing`;
  if (known !== undefined) return unavailable(`${what}: put it back`);
  return new StoreError(
    "notApplied",
    "corrupt",
    `${what}: put it back, or restore a backup. If another program, such as the sqlite3 shell, has opened the file since, ` +
      `nothing is missing. In that case, or to go on without the events in that log, create an empty one: touch '${log}'`,
  );
}

function hasInfo(file: string): boolean {
  return exists(`${file}-info`);
}

function explained(error: unknown, file: string): StoreError {
  const failure = toStoreError(explainWrite(error, file), { file });
  if (failure.reason !== "locked") return failure;
  return new StoreError("notApplied", "locked", `store ${file} is in use by ${describeHolder(file)}`, {
    cause: error,
  });
}
