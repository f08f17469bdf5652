import { closeSync, openSync, realpathSync, statSync } from "node:fs";
import { type StoreError, unavailable } from "@event-ingestion/store";
import { syncFolderOf } from "./folders.ts";

/** Why the path of the store no longer leads to the files that are open. */
export interface Misplaced {
  what: "file" | "log";
  reason: StoreError;
}

/** Where the files of an open store were found. */
export interface Place {
  /** Whether the path leads to the database file that was opened. */
  holdsFile(): boolean;
  /** undefined: both files are where they were opened. */
  findMisplaced(): Misplaced | undefined;
}

/** Where SQLite keeps the write-ahead log: beside the file that a symbolic link leads to. */
export function logPathOf(file: string): string {
  return `${exists(file) ? realpathSync(file) : file}-wal`;
}

/** Whether there is such a file, or folder. @throws the file system's error if that cannot be known */
export function exists(path: string): boolean {
  return idOf(path) !== undefined;
}

/** Remembers which files are open. Both must exist. */
export function notePlace(file: string): Place {
  const logPath = logPathOf(file);
  const fileId = idOf(file);
  const logId = idOf(logPath);
  return {
    holdsFile: () => findChange(file, fileId) === undefined,
    findMisplaced: () =>
      misplaced("file", findChange(file, fileId)) ?? misplaced("log", findChange(logPath, logId)),
  };
}

/**
 * Creates an empty log if there is none. SQLite removes the log when it closes a connection and has merged it, but a store that
 * is not marked as closed is refused without its log.
 */
export function keepLog(file: string): void {
  try {
    if (!exists(file) || exists(logPathOf(file))) return;
    closeSync(openSync(logPathOf(file), "a"));
    syncFolderOf(file);
  } catch {
    // The disk has failed, so this may fail as well. Then the next opener asks for the log.
  }
}

function misplaced(what: Misplaced["what"], problem: string | undefined): Misplaced | undefined {
  return problem === undefined ? undefined : { what, reason: unavailable(problem) };
}

function findChange(path: string, id: string | undefined): string | undefined {
  try {
    const found = idOf(path);
    if (found === id) return undefined;
    return found === undefined
      ? `${path} is gone from its place (deleted, moved or unmounted) while the store is open: put it back`
      : `another file is in the place of ${path} while the store is open: put the first one back, or restart the service to use the other`;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unexpectedly";
    return `${path} cannot be looked at (${code})`;
  }
}

function idOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
