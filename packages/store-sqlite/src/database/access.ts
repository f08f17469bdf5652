import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { exists, logPathOf } from "./place.ts";

const { R_OK, W_OK, X_OK } = constants;

/**
 * What SQLite would call a broken disk, or an open that failed: a missing permission, for the folder or for one of the
 * files of a store.
 *
 * @throws the file system's error, which names the path
 */
export function requireAccess(file: string): void {
  accessSync(dirname(file), W_OK | X_OK);
  for (const path of [file, logPathOf(file), `${file}-info`, `${file}-reserve`]) {
    if (exists(path)) accessSync(path, R_OK | W_OK);
  }
}
