import { closeSync, openSync, rmSync } from "node:fs";
import { syncFolderOf } from "./folders.ts";
import { exists, keepLog, logPathOf } from "./place.ts";

// A process that exits closes what its threads have open: SQLite merges its log into the database file and removes it, but no
// code of ours runs after that, so the store stays marked as open. The mark tells that from a log that was lost.

const markOf = (file: string) => `${file}-exited`;

/** Says that the process of an open store is about to exit. The log is still there, and may be removed from now on. */
export function markExit(file: string): void {
  try {
    closeSync(openSync(markOf(file), "a"));
    syncFolderOf(file);
  } catch {
    // On a disk that is full or broken. SQLite keeps the log if it cannot merge it.
  }
}

/** Puts an empty log in the place of the one that was removed as the process exited. Call before the file is opened. */
export function settleExit(file: string): void {
  const mark = markOf(file);
  if (!exists(mark)) return;
  keepLog(file);
  if (exists(logPathOf(file))) rmSync(mark, { force: true });
}
