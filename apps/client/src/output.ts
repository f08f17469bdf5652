import type { JsonValue } from "@bufbuild/protobuf";
import type { Config } from "./config.ts";

/** Where a command says what it has to say: data on stdout, the rest on stderr. */
export interface Output {
  /** The one result of a command. */
  one(value: JsonValue, text: string): void;
  /** Results of a kind: lines of text, one JSON array, or a JSON line each. */
  many(values: JsonValue[], text: string): void;
  /** Something to know that is not a result; left out with --quiet. */
  note(text: string): void;
}

/** The output of a command, in the format that was asked for. */
export function createOutput({ output, quiet }: Config): Output {
  return {
    one(value, text) {
      print({ text: () => text, json: () => pretty(value), jsonl: () => JSON.stringify(value) }[output]());
    },
    many(values, text) {
      const lines = () => values.map((value) => JSON.stringify(value)).join("\n");
      print({ text: () => text, json: () => pretty(values), jsonl: lines }[output]());
    },
    note(text) {
      if (!quiet) process.stderr.write(`${text}\n`);
    },
  };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function pretty(value: JsonValue): string {
  return JSON.stringify(value, null, 2);
}

/** Rows in columns of equal width; the first row is the head. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

/** Text of others in one line: control characters, which a terminal would obey, as escapes. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character] ?? `\\u${code}`;
  });
}

/** "840 ms", "12.3 s", "4 min 05 s". */
export function inWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}
