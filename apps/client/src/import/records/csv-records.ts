import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import type { JsonValue } from "@bufbuild/protobuf";
import { CsvError, parse } from "csv-parse";
import { usageFailure } from "../../failure.ts";
import { maxTextBytes } from "./bounded-text.ts";
import { type CsvOptions, isDelimiterLine, loneCr, readHead, unquoted } from "./csv-head.ts";
import type { FileRecord } from "./file-record.ts";
import { textBytes } from "./text-bytes.ts";

/**
 * CSV with a head line (RFC 4180; empty lines are left out, stray quotes are taken as they are). `value` is an object by the names of the
 * head, `text` that object as JSON.
 *
 * @throws Failure before the first record if the head may not be what it is taken for; later if a quote is not closed, since nobody knows then where the records are.
 */
export async function* csvRecords(
  chunks: AsyncIterable<Buffer>,
  options: CsvOptions,
): AsyncGenerator<FileRecord, void> {
  let names: string[] | undefined;
  let nextLine = 1;
  try {
    for await (const { record, raw } of parsed(textBytes(chunks), options)) {
      const text = withoutEnd(raw, record);
      const line = nextLine;
      // The parser's own count takes a CR LF in a field for two lines.
      nextLine += text.split("\n").length;
      if (text === "") continue;
      const fields = decode(record);
      if (names !== undefined)
        yield { place: line, raw: decodeLossy(text), ...toRow(names, { text, fields }) };
      else if (line > 1 || !isDelimiterLine({ text, fields }, options)) {
        names = readHead({ text, fields }, line, options);
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const problem = problems[error.code] ?? error.message;
    throw usageFailure(
      `line ${nextLine} or later: ${problem}`,
      "correct the file and run the same command again",
    );
  }
}

/** The parser gives a CR LF as CR. Behind the last record a CR may stand alone, and is in its last field then. */
function withoutEnd(raw: string, record: string[]): string {
  const text = raw.replace(/\r?\n?$/, "");
  const inField = record.at(-1)?.endsWith("\r") === true && !text.endsWith('\r"');
  return inField && text !== "" ? raw : text;
}

/** Records with the text they come from, one unit a byte: the parser would replace what is not UTF-8 and say nothing. */
function parsed(
  chunks: AsyncIterable<Buffer>,
  { delimiter }: CsvOptions,
): AsyncIterable<{ record: string[]; raw: string }> {
  const parser = parse({
    raw: true,
    delimiter,
    encoding: "latin1",
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: maxTextBytes,
  });
  return Readable.from(chunks).compose(parser);
}

const problems: Partial<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is not closed",
  CSV_MAX_RECORD_SIZE: `a record must be at most ${maxTextBytes} bytes; is a quote not closed, or do lines end in CR?`,
};

function toRow(
  names: string[],
  { text, fields }: { text: string; fields: string[] | undefined },
): { value: JsonValue; text: string } | { problem: string } {
  if (fields === undefined) return { problem: "a record must be UTF-8" };
  if (text.includes("\0")) return { problem: "a record must hold no NUL characters" };
  if (loneCr.test(text) && loneCr.test(unquoted(text))) {
    return { problem: "lines must end in LF or CR LF, got CR" };
  }
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
