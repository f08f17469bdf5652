import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { StoreError } from "@event-ingestion/store";
import { prepareCheckpoint } from "./checkpointer.ts";
import { type Database, openDatabase, pragma } from "./driver.ts";
import { damaged, toStoreError, unavailable } from "./errors.ts";
import { describeHolder } from "./lock-info.ts";
import { applicationId, createSchema, expectedSchemaText, schemaText, schemaVersion } from "./schema.ts";

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
  const db = openDatabase(":memory:");
  createSchema(db);
  return db;
}

/**
 * Opens or creates a file and proves it fit for use: nobody else has it, it is ours, of our version and undamaged, and
 * all that it shows is on the disk.
 *
 * @throws StoreError locked, incompatible, corrupt or unavailable; its content is left as it was
 */
export function openFile(file: string, observe: (event: CheckSkipped) => void): Database {
  try {
    makeDirectory(dirname(resolve(file)));
    refuseEmptied(file);
    // Absolute, since SQLite would read a path that begins with "file:" as a URL.
    const db = openDatabase(resolve(file));
    try {
      prepare(db, file, observe);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw explained(error, file);
  }
}

function prepare(db: Database, file: string, observe: (event: CheckSkipped) => void): void {
  // Before anything is read, so that the first read takes the lock for good.
  set(db, "locking_mode", "exclusive");
  const isNew = identify(db, file) === "new";
  for (const [name, value] of pragmas) set(db, name, value);
  if (isNew) createSchema(db);
  if (schemaText(db) !== expectedSchemaText()) {
    throw damaged(`store ${file} is damaged (its table definitions differ)`);
  }
  // A process that was killed between write and fsync leaves its commit in the kernel's memory: visible, and gone
  // with the next power cut. Nothing is said about such a commit before it is on the disk.
  if (prepareCheckpoint(db, "TRUNCATE")().isBusy) throw unavailable(`store ${file} cannot be made durable`);
  check(db, file, observe);
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
    throw new StoreError("notApplied", "incompatible", `PRAGMA ${name} must be ${value}, got ${String(got)}`);
  }
}

function identify(db: Database, file: string): "new" | "ours" {
  const id = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  if (id === 0 && version === 0 && schemaText(db) === "[]") {
    if (hasInfo(file)) throw damaged(`store ${file} is empty`);
    return "new";
  }
  if (id !== applicationId) {
    throw new StoreError("notApplied", "incompatible", `${file} is a database of another program`);
  }
  if (version !== schemaVersion) {
    throw new StoreError(
      "notApplied",
      "incompatible",
      `store ${file} has schema version ${String(version)}, this program reads ${schemaVersion}`,
    );
  }
  return "ours";
}

function check(db: Database, file: string, observe: (event: CheckSkipped) => void): void {
  const bytes = statSync(file).size;
  if (bytes > maxCheckedBytes) {
    observe({ kind: "check-skipped", file, bytes });
    return;
  }
  const found = pragma(db, "quick_check(1)");
  if (found !== "ok") throw damaged(`store ${file} is damaged (${String(found).replaceAll("\n", " ")})`);
}

/** Where an info file lies there was a store: without its data this is a loss, not a beginning. */
function refuseEmptied(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0 && hasInfo(file))
    throw damaged(`store ${file} is empty or missing, but ${file}-info is there`);
}

function hasInfo(file: string): boolean {
  return statSync(`${file}-info`, { throwIfNoEntry: false }) !== undefined;
}

/** A new folder survives a power cut once the one above it is on the disk. SQLite does that for its own files only. */
function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined || process.platform === "win32") return;
  for (let made = path; ; made = dirname(made)) {
    syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function explained(error: unknown, file: string): StoreError {
  const failure = toStoreError(error, { file });
  if (failure.reason !== "locked") return failure;
  return new StoreError("notApplied", "locked", `store ${file} is in use by ${describeHolder(file)}`, {
    cause: error,
  });
}
