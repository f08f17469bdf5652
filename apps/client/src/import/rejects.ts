import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { usageFailure } from "../failure.ts";
import type { FileRecord, Unit } from "./records/file-record.ts";

/** The file of the records that were not accepted. */
export interface Rejects extends Disposable {
  readonly path: string;
  /** How many there are, earlier ones of a resumed import included. */
  readonly count: number;
  add(record: Pick<FileRecord, "place" | "raw">, reason: string): void;
}

/** Where the rejected records go, and what says where they were. */
export interface RejectsOptions {
  path: string;
  unit: Unit;
  /** Records up to this place are kept; later ones will be sent again. */
  upTo: number;
}

/**
 * Begins the file anew, with the records up to `upTo` that it holds already. It is made only when there is a record for it.
 *
 * @throws Failure if it cannot be written, or holds something else.
 */
export function openRejects({ path, unit, upTo }: RejectsOptions): Rejects {
  let count: number;
  try {
    count = isSpecial(path) ? 0 : begin(path, { unit, upTo });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw usageFailure(
      `rejected records cannot be written to ${path} (${String(error.code)})`,
      "name another file for them with --rejects",
    );
  }
  let descriptor: number | undefined;
  return {
    path,
    get count() {
      return count;
    },
    add({ place, raw }, reason) {
      descriptor ??= openSync(path, "a");
      writeSync(descriptor, `${JSON.stringify({ [unit]: place, reason, raw })}\n`);
      count++;
    },
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

/** A terminal or a pipe: nothing to keep, and not ours to delete. */
function isSpecial(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** How many are kept. */
function begin(path: string, { unit, upTo }: Pick<RejectsOptions, "unit" | "upTo">): number {
  const entries = readEntries(path, unit);
  const kept = entries.filter(({ place }) => place <= upTo);
  // Opened for real: permissions do not say whether a file can be made there.
  closeSync(openSync(path, "a"));
  if (kept.length === 0) {
    rmSync(path);
  } else {
    writeFileSync(`${path}.new`, kept.map(({ text }) => `${text}\n`).join(""), { flush: true });
    renameSync(`${path}.new`, path);
  }
  return kept.length;
}

function readEntries(path: string, unit: Unit): { place: number; text: string }[] {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  // A line that was cut by a kill is behind the last answered record.
  const complete = content
    .slice(0, content.lastIndexOf("\n") + 1)
    .split("\n")
    .filter(Boolean);
  return complete.map((text) => ({ place: placeOf(text, { path, unit }), text }));
}

/** Infinity: of an import by other places, so it is none to keep. @throws Failure if the file is not one of rejected records */
function placeOf(text: string, { path, unit }: { path: string; unit: Unit }): number {
  try {
    const entry: Partial<Record<Unit | "reason", unknown>> = JSON.parse(text);
    const place = entry[unit];
    if (typeof entry.reason === "string") return typeof place === "number" ? place : Number.POSITIVE_INFINITY;
  } catch {
    // Not JSON: the same mistake as other JSON.
  }
  throw usageFailure(
    `${path} holds something else than rejected records`,
    "name another file for them with --rejects",
  );
}
