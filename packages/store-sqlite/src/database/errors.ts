import { constants } from "node:os";
import { StoreError, type StoreErrorReason } from "@event-ingestion/store";
import { resultCode } from "./driver.ts";

/**
 * What an error means for the store:
 * - request: only the one call is wrong; its neighbours in the transaction are not.
 * - stalled: nothing can be written now (no space, a file that became read-only). SQLite has changed nothing.
 * - suspect: the disk failed. After a failed fsync the kernel may have dropped the data that it could not write, and report
 *   success from then on. So this connection is never trusted again.
 * - damaged: the file is not what was written.
 */
export type Severity = "request" | "stalled" | "suspect" | "damaged";

/** What an error of SQLite says about the store. */
export function severity(error: unknown): Severity {
  if (error instanceof StoreError) return error.reason === "corrupt" ? "damaged" : "request";
  if (isNoSpace(error)) return "stalled";
  switch (primaryCode(error)) {
    case undefined:
    case 1: // ERROR: the statement itself
    case 18: // TOOBIG
    case 19: // CONSTRAINT
    case 20: // MISMATCH
    case 25: // RANGE
      return "request";
    case 10: // IOERR
      return "suspect";
    case 11: // CORRUPT
    case 26: // NOTADB
      return "damaged";
    default:
      return "stalled";
  }
}

const fullDisk = (file: string) => `the disk of ${file} is full`;

/** What the file system says when there is no room, which is no fault of the disk. By number: Node has no name for EDQUOT. */
const lackOfSpace: ReadonlyMap<number, (file: string) => string> = new Map([
  [constants.errno.ENOSPC, fullDisk],
  [constants.errno.EDQUOT, (file) => `the disk quota for ${file} is used up`],
  [
    constants.errno.EFBIG,
    (file) => `${file} may not grow: the limit for the size of a file (ulimit -f) is reached`,
  ],
]);

/** Whether the file system has refused a write for want of space. */
export function isNoSpace(error: unknown): boolean {
  return lackOfSpace.has(systemNumber(error));
}

/** `committing`: the error came from COMMIT, so after anything but a full disk nobody knows what the file holds. */
export function toStoreError(
  error: unknown,
  { file, committing = false }: { file: string; committing?: boolean },
): StoreError {
  if (error instanceof StoreError) return error;
  const cause = { cause: error };
  const lack = lackOfSpace.get(systemNumber(error));
  if (lack !== undefined) return new StoreError("notApplied", "unavailable", lack(file), cause);
  switch (primaryCode(error)) {
    case 5: // BUSY
      return new StoreError("notApplied", "locked", `store ${file} is in use`, cause);
    case 10:
      return new StoreError(
        committing ? "unknown" : "notApplied",
        "unavailable",
        `the disk failed under ${file}`,
        cause,
      );
    case 11:
    case 26:
      return damaged(`store ${file} is damaged or no database`, cause);
    case 13: // FULL
      return new StoreError("notApplied", "unavailable", fullDisk(file), cause);
    case 14: // CANTOPEN
      return new StoreError("notApplied", "unavailable", `store ${file} cannot be opened`, cause);
    case 3: // PERM
    case 8: // READONLY
      return new StoreError("notApplied", "unavailable", `store ${file} cannot be written`, cause);
    default:
      return new StoreError(
        committing ? "unknown" : "notApplied",
        "unavailable",
        systemProblem(error, file) ?? `store ${file} failed (unexpectedly)`,
        cause,
      );
  }
}

/** What an error of the file system says, with the path it is about; undefined if it is none. */
function systemProblem(error: unknown, file: string): string | undefined {
  const code = systemCode(error);
  if (code === undefined) return undefined;
  const path = error instanceof Error && "path" in error ? String(error.path) : file;
  switch (code) {
    case "EACCES":
    case "EPERM": {
      const user =
        process.getuid === undefined
          ? "the user of this process"
          : `the user of this process (uid ${process.getuid()})`;
      return `no permission to read and write ${path} (${code}): give it to ${user}`;
    }
    case "EROFS":
      return `${path} is on a read-only file system (EROFS): mount it writable, or name another place`;
    default:
      return `store ${file} failed at ${path} (${code})`;
  }
}

/** `what` names the file and, if known, the row. Nothing is ever repaired or skipped. */
export function damaged(what: string, options?: ErrorOptions): StoreError {
  return new StoreError(
    "notApplied",
    "corrupt",
    `${what}: restore a backup, or move the file away to start empty`,
    options,
  );
}

/** Of an error of the file system: "EACCES". */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  return String(error.code);
}

/** Of an error of the file system: 28 for ENOSPC. 0: of another error. */
function systemNumber(error: unknown): number {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") return 0;
  return Math.abs(error.errno);
}

/** A StoreError as it crosses threads, where an error keeps no properties of its own. */
export interface Failure {
  outcome: StoreError["outcome"];
  reason: StoreErrorReason;
  message: string;
  cause: unknown;
}

/** A StoreError as it crosses threads. */
export function toFailure({ outcome, reason, message, cause }: StoreError): Failure {
  return { outcome, reason, message, cause };
}

/** A StoreError that came from the other thread. */
export function fromFailure({ outcome, reason, message, cause }: Failure): StoreError {
  return new StoreError(outcome, reason, message, cause === undefined ? undefined : { cause });
}

function primaryCode(error: unknown): number | undefined {
  const code = resultCode(error);
  return code === undefined ? undefined : code & 0xff;
}
