import { StoreError, unavailable } from "@event-ingestion/store";
import { prepareCheckpoint } from "./checkpointer.ts";
import { type FileEvent, openFile, openMemory } from "./connection.ts";
import type { Database } from "./driver.ts";
import { type Identity, signClosed, signOpen } from "./identity.ts";
import { writeLockInfo } from "./lock-info.ts";
import { type Misplaced, type Place, keepLog, notePlace } from "./place.ts";
import { type Reserve, createReserve } from "./reserve.ts";
import { explainWrite } from "./space.ts";

/** The place of the tables: a file, or memory. */
export interface Medium {
  /** How messages name it. */
  readonly name: string;
  /**
   * Opens the store. The first time, a missing store is created. From then on only the store that was open before is opened: it
   * must hold `lastSeq`, the highest `seq` that was committed.
   */
  open(lastSeq: number): Database;
  /** Marks it as open, and says who has it open, for the next who tries. */
  sign(db: Database, now: number): void;
  /** Why the path no longer leads to what is open; undefined if it does. */
  findMisplaced(): Misplaced | undefined;
  /** What an error really says: SQLite does not tell a used up quota from a broken disk. */
  explain(error: unknown): unknown;
  /**
   * "clean": merges the whole log and marks the store as closed. "failed": the connection must not be trusted. SQLite merges its
   * log even then, which does no harm: only synced commits are in the log's index, so a commit that a failed fsync lost is not
   * merged, and pages that a failed merge wrote are written and synced again.
   */
  close(db: Database, how: "clean" | "failed"): void;
  readonly reserve: Reserve;
}

/** `file` is an absolute path. */
export function fileMedium(
  file: string,
  { reserveBytes, observe }: { reserveBytes: number; observe: (event: FileEvent) => void },
): Medium {
  let place: Place | undefined;
  let identity: Identity | undefined;
  return {
    name: file,
    open(lastSeq) {
      const known = place && { identity, lastSeq };
      try {
        const db = openFile(file, { observe, known });
        place = notePlace(file);
        return db;
      } catch (error) {
        throw place === undefined || place.holdsFile() ? error : notForGood(error);
      }
    },
    sign(db, now) {
      identity = signOpen(db);
      writeLockInfo(file, now);
    },
    findMisplaced: () => place?.findMisplaced(),
    explain: (error) => explainWrite(error, file),
    close(db, how) {
      const isClosed = how === "clean" && place?.findMisplaced() === undefined && closesCleanly(db);
      db.close();
      if (!isClosed && place?.holdsFile()) keepLog(file);
    },
    reserve: createReserve(file, reserveBytes),
  };
}

/** Damage of another file is no damage of the file that was open, which may come back: so this error is not final. */
function notForGood(error: unknown): unknown {
  const isCorrupt = error instanceof StoreError && error.reason === "corrupt";
  return isCorrupt ? unavailable(`not the file that was open: ${error.message}`, { cause: error }) : error;
}

/** Tables in memory. They are gone with the first connection. */
export function memoryMedium(): Medium {
  let isOpened = false;
  return {
    name: ":memory:",
    open() {
      if (isOpened) throw unavailable("the store in memory is lost: restart the service");
      isOpened = true;
      return openMemory();
    },
    sign() {},
    findMisplaced: () => undefined,
    explain: (error) => error,
    close: (db) => db.close(),
    reserve: { hold() {}, release() {} },
  };
}

/** Merges the whole log first, then marks the store as closed, and merges the mark before SQLite removes the log. */
function closesCleanly(db: Database): boolean {
  const merge = prepareCheckpoint(db, "TRUNCATE");
  try {
    if (merge().isBusy) return false;
    signClosed(db);
    return !merge().isBusy;
  } catch {
    // As on a full disk. The log stays, and the next opener finds all in it.
    return false;
  }
}
