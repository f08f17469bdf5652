import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import type { JsonValue } from "@bufbuild/protobuf";
import { CsvError, parse } from "csv-parse";
import { usageFailure } from "../failure.ts";
import { splitLines, withoutMark } from "./lines.ts";

/** One record of a file: what it holds, or why it holds nothing. */
export type FileRecord = {
  /** Where it begins, from 1. */
  line: number;
  /** As it stands in the file. */
  raw: string;
} & ({ value: JsonValue; text: string } | { problem: string });

/** One JSON value a line; empty lines are left out. `text` is the line. */
export async function* ndjsonRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRecord, void> {
  for await (const { line, raw, problem } of splitLines(withoutMark(chunks))) {
    const text = raw.trim();
    if (text === "") continue;
    yield { line, raw, ...(problem === undefined ? parseJson(text) : { problem }) };
  }
}

function parseJson(text: string): { value: JsonValue; text: string } | { problem: string } {
  try {
    const value: JsonValue = JSON.parse(text);
    return { value, text };
  } catch (error) {
    return { problem: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/**
 * CSV with a head line (RFC 4180; empty lines are left out, stray quotes are taken as they are). `value` is an object by the names of the
 * head, `text` that object as JSON.
 *
 * @throws Failure if a quote is not closed, since nobody knows then where the records are.
 */
export async function* csvRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRecord, void> {
  const parser = parse({
    raw: true,
    // One unit a byte: the parser would replace what is not UTF-8 and say nothing.
    encoding: "latin1",
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: maxRecordBytes,
  });
  let names: string[] | undefined;
  let nextLine = 1;
  try {
    for await (const item of Readable.from(withoutMark(chunks)).compose(parser)) {
      const { record, raw }: { record: string[]; raw: string } = item;
      const text = raw.replace(/\r?\n?$/, "");
      const line = nextLine;
      // The parser's own count takes a CR LF in a field for two lines.
      nextLine += text.split("\n").length;
      if (text === "") continue;
      const fields = decode(record);
      if (names === undefined) names = headOf(fields);
      else yield { line, raw: decodeLossy(text), ...toRow(names, fields) };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const problem = problems[error.code] ?? error.message;
    throw usageFailure(
      `line ${nextLine} or later: ${problem}`,
      "correct the file and run the same command again; what was sent is not stored twice",
    );
  }
}

/** No event can be as long; most often a quote stands where it should not. */
const maxRecordBytes = 8 * 1024 * 1024;

const problems: Partial<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is not closed",
  CSV_MAX_RECORD_SIZE: `a record must be at most ${maxRecordBytes} bytes; is a quote not closed?`,
};

function headOf(names: string[] | undefined): string[] {
  const twice = names?.find((name, at) => names.indexOf(name) !== at);
  if (names !== undefined && twice === undefined) return names;
  throw usageFailure(
    twice === undefined
      ? "line 1: the names must be UTF-8"
      : `line 1: the name "${twice}" stands there twice`,
    "the first line of a CSV file must name its columns",
  );
}

function toRow(
  names: string[],
  fields: string[] | undefined,
): { value: JsonValue; text: string } | { problem: string } {
  if (fields === undefined) return { problem: "a record must be UTF-8" };
  if (fields.length !== names.length) {
    return { problem: `a record must have ${names.length} fields like the first line, got ${fields.length}` };
  }
  const value = Object.fromEntries(names.map((name, at) => [name, fields[at] ?? ""]));
  return { value, text: JSON.stringify(value) };
}

function decode(fields: string[]): string[] | undefined {
  const bytes = fields.map((field) => Buffer.from(field, "latin1"));
  return bytes.every((field) => isUtf8(field)) ? bytes.map((field) => field.toString("utf8")) : undefined;
}

function decodeLossy(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
