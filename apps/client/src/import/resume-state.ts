import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { usageFailure } from "../failure.ts";
import type { FileRecord } from "./file-records.ts";

/** How far an import is: every record up to `line` is answered for good. */
export interface ResumeState {
  /** Name of the file. */
  file: string;
  /** Line that the last answered record begins at; 0: none yet. */
  line: number;
  /** Of that record, to notice that the file is another one now. */
  digest: string;
  accepted: number;
  duplicates: number;
}

/** Undefined if there is no such file yet. @throws Failure if it is no such state, or of another file. */
export function readResumeState(path: string, file: string): ResumeState | undefined {
  const state = parseState(path);
  if (state === undefined || state.file === file) return state;
  throw usageFailure(
    `${path} belongs to the import of ${state.file}, not of ${file}`,
    "use another file for --resume, or delete it to begin anew",
  );
}

/** Replaces the file at once: whenever the process is killed, there is the old state or the new one. */
export function writeResumeState(path: string, state: ResumeState): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`, { flush: true });
  renameSync(`${path}.new`, path);
}

/** Tells one record from another. */
export function digestOf({ raw }: Pick<FileRecord, "raw">): string {
  return createHash("sha256").update(raw).digest("hex").slice(0, 32);
}

/**
 * `record` is what the file has at the line that the import came to.
 *
 * @throws Failure if it is another one than then.
 */
export function checkSameRecord(record: FileRecord | undefined, state: ResumeState | undefined): void {
  if (state === undefined || state.line === 0) return;
  if (record?.line === state.line && digestOf(record) === state.digest) return;
  throw usageFailure(
    `${state.file} has changed: line ${state.line} is not what it was when the import stopped`,
    "delete the file of --resume to begin anew",
  );
}

function parseState(path: string): ResumeState | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const state: ResumeState = JSON.parse(text);
    const numbers = [state.line, state.accepted, state.duplicates];
    if (
      numbers.every(Number.isSafeInteger) &&
      typeof state.file === "string" &&
      typeof state.digest === "string"
    ) {
      return state;
    }
  } catch {
    // Not JSON: the same mistake as other JSON.
  }
  throw usageFailure(`${path} is not the state of an import`, "name another file for --resume");
}
