import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and those above it. A new folder survives a power cut once the one above it is on the disk. */
export function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    syncFolderOf(made);
    if (made === first || made === dirname(made)) return;
  }
}

/** Makes it durable that a file or folder has been made. SQLite does that for its own files only. */
export function syncFolderOf(path: string): void {
  if (process.platform !== "win32") sync(dirname(path), "r");
}

/** Brings to the disk what has been written to a file, by whomever, and that it was made. */
export function syncFile(path: string): void {
  sync(path, "r+");
  syncFolderOf(path);
}

function sync(path: string, flags: "r" | "r+"): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
