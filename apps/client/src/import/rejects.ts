import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import type { FileRecord } from "./file-records.ts";

/** The file of the records that were not accepted. */
export interface Rejects extends Disposable {
  readonly path: string;
  /** How many there are, earlier ones of a resumed import included. */
  readonly count: number;
  add(record: Pick<FileRecord, "line" | "raw">, reason: string): void;
}

/** Where the rejected records of a file go: orders.csv has orders.csv.rejected.ndjson beside it, stdin in the current folder. */
export function rejectsPath(file: string): string {
  return `${file === "-" ? "stdin" : file}.rejected.ndjson`;
}

/**
 * Begins the file anew, with the records up to `upToLine` that it holds already: those behind come again. It is made
 * only when there is a record for it.
 */
export function openRejects(path: string, upToLine: number): Rejects {
  const kept = upToLine === 0 ? [] : readEntries(path).filter(({ line }) => line <= upToLine);
  if (kept.length === 0) {
    rmSync(path, { force: true });
  } else {
    writeFileSync(`${path}.new`, kept.map(({ text }) => `${text}\n`).join(""), { flush: true });
    renameSync(`${path}.new`, path);
  }
  let descriptor: number | undefined;
  let count = kept.length;
  return {
    path,
    get count() {
      return count;
    },
    add({ line, raw }, reason) {
      descriptor ??= openSync(path, "a");
      writeSync(descriptor, `${JSON.stringify({ line, reason, raw })}\n`);
      count++;
    },
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

function readEntries(path: string): { line: number; text: string }[] {
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
  return complete.map((text) => {
    const { line }: { line: number } = JSON.parse(text);
    return { line, text };
  });
}
