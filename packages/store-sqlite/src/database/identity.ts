import { unavailable } from "@event-ingestion/store";
import { type Database, query } from "./driver.ts";

/** Distinguishes a store from every other one, and from copies of it that another process has opened. */
export interface Identity {
  /** Random, made once. */
  storeId: number;
  /** Rises by one with each process that opens the store. */
  generation: number;
}

/** What a process remembers of the store that it has opened. */
export interface Known {
  /** undefined: the store could not be signed yet. */
  identity: Identity | undefined;
  /** The highest `seq` that was committed. */
  lastSeq: number;
}

/** Rows of `meta`, beside the counters, whose keys are below 100. */
const keys = { storeId: 100, generation: 101, isOpen: 102 };
const lastSeqKey = 7;

/**
 * Marks the store as open, with the next generation. The mark counts once it is in the database file itself: a file that
 * has it and no write-ahead log lacks what the log held.
 */
export function signOpen(db: Database): Identity {
  const last = readIdentity(db);
  const identity = { storeId: last?.storeId ?? randomId(), generation: (last?.generation ?? 0) + 1 };
  write(db, [
    [keys.storeId, identity.storeId],
    [keys.generation, identity.generation],
    [keys.isOpen, 1],
  ]);
  return identity;
}

/** Marks the store as closed cleanly: from now on the database file may be alone. */
export function signClosed(db: Database): void {
  write(db, [[keys.isOpen, 0]]);
}

/** Whether the last process that opened the store has not marked it as closed. */
export function isSignedOpen(db: Database): boolean {
  return read(db, keys.isOpen) === 1;
}

/** @throws StoreError unavailable if it is not the store that was open before, as it was then */
export function checkIdentity(db: Database, file: string, { identity, lastSeq }: Known): void {
  const found = readIdentity(db);
  if (identity !== undefined && found?.storeId !== identity.storeId) {
    throw unavailable(`${file} is another store than the one that was open: put that one back`);
  }
  if (identity !== undefined && found?.generation !== identity.generation) {
    throw unavailable(
      `another process has opened ${file}, or an older copy is in its place: put the file back, or restart the service to use this one`,
    );
  }
  if ((read(db, lastSeqKey) ?? 0) < lastSeq) {
    throw unavailable(
      `${file} lacks events that were accepted (an older copy, or its log is missing): put the file and its log back, or restart the service to use this one`,
    );
  }
}

/** undefined: no process has signed the file yet. */
function readIdentity(db: Database): Identity | undefined {
  const storeId = read(db, keys.storeId);
  const generation = read(db, keys.generation);
  return storeId === undefined || generation === undefined ? undefined : { storeId, generation };
}

function read(db: Database, key: number): number | undefined {
  return query<{ v: number }>(db, "SELECT v FROM meta WHERE k = ?").get(key)?.v;
}

function write(db: Database, rows: readonly (readonly [key: number, value: number])[]): void {
  const put = db.prepare("INSERT INTO meta(k, v) VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET v = excluded.v");
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const row of rows) put.run(...row);
    db.exec("COMMIT");
  } catch (error) {
    // After a full disk SQLite has rolled back by itself.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function randomId(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}
