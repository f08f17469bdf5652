import { rmSync, statSync } from "node:fs";
import { resultCode } from "./driver.ts";
import { isNoSpace } from "./errors.ts";
import { writeNoise } from "./noise.ts";
import { logPathOf } from "./place.ts";

/** SQLITE_IOERR_WRITE: a used up quota, a file size limit or a broken disk. SQLite calls only ENOSPC a full disk. */
const writeFailed = 10 | (3 << 8);

const probeBytes = 1024 * 1024;

/**
 * Why a write to the files of the store failed: the file system's error if there is no room, otherwise the error itself. Finds out
 * by writing to a file beside them, at the place up to which they may grow.
 */
export function explainWrite(error: unknown, file: string): unknown {
  if (resultCode(error) !== writeFailed) return error;
  const found = tryWrite(`${file}-probe`, sizeOf(file) + sizeOf(logPathOf(file)));
  return isNoSpace(found) ? found : error;
}

function tryWrite(path: string, at: number): unknown {
  try {
    writeNoise(path, { bytes: probeBytes, at });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    remove(path);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // On a broken disk. The next try writes over it.
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
