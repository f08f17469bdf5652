import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { usageFailure } from "../failure.ts";
import type { FileRecord, Unit } from "./records/file-record.ts";
import { isMadeName } from "./input-name.ts";

/** How far an import is: every record up to `place` is answered for good. */
export interface ResumeState {
  /** Name of the input. */
  name: string;
  /** Of the last answered record; 0: none yet. */
  place: number;
  /** Of that record, to notice that the file is another one now. */
  digest: string;
  accepted: number;
  duplicates: number;
}

/** That of an import of which nothing is answered yet. */
export function beginState(name: string): ResumeState {
  return { name, place: 0, digest: "", accepted: 0, duplicates: 0 };
}

/**
 * Undefined if there is no such file yet. An input without a name goes on as what it was called when it was begun.
 *
 * @throws Failure if it is no such state, or of another input.
 */
export function readResumeState(path: string, name: string | undefined): ResumeState | undefined {
  const state = parseState(path);
  if (state === undefined || state.name === name) return state;
  if (name === undefined && isMadeName(state.name)) return state;
  throw usageFailure(
    `${path} belongs to the import of ${state.name}, not of ${name ?? "an input without a name"}`,
    "use another file for --resume, delete it to begin anew, or say with --name that it is the same input",
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
 * `record` is what the input has at the place that the import came to.
 *
 * @throws Failure if it is another one than then.
 */
export function checkSameRecord(
  record: FileRecord | undefined,
  state: ResumeState | undefined,
  unit: Unit,
): void {
  if (state === undefined || state.place === 0) return;
  if (record?.place === state.place && digestOf(record) === state.digest) return;
  throw usageFailure(
    `${state.name} has changed: ${unit} ${state.place} is not what it was when the import stopped`,
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
    const numbers = [state.place, state.accepted, state.duplicates];
    if (
      numbers.every(Number.isSafeInteger) &&
      typeof state.name === "string" &&
      typeof state.digest === "string"
    ) {
      return state;
    }
  } catch {
    // Not JSON: the same mistake as other JSON.
  }
  throw usageFailure(`${path} is not the state of an import`, "name another file for --resume");
}
