import { arrayRecords } from "./array-records.ts";
import type { CsvOptions } from "./csv-head.ts";
import { csvRecords } from "./csv-records.ts";
import type { FileRecord, Unit } from "./file-record.ts";
import { type NdjsonOptions, ndjsonRecords } from "./ndjson-records.ts";

/** What a file is taken for. "ndjson": a JSON value a line; "array": one JSON array, of which each element is a record. */
export type FileFormat =
  | ({ kind: "ndjson" } & NdjsonOptions)
  | ({ kind: "csv" } & CsvOptions)
  | { kind: "array" };

/** What the places of a format count. */
export function unitOf({ kind }: FileFormat): Unit {
  return kind === "array" ? "element" : "line";
}

/** The records of a file in order. @throws Failure if the file is not what it is taken for */
export function fileRecords(
  chunks: AsyncIterable<Buffer>,
  format: FileFormat,
): AsyncGenerator<FileRecord, void> {
  switch (format.kind) {
    case "ndjson":
      return ndjsonRecords(chunks, format);
    case "csv":
      return csvRecords(chunks, format);
    case "array":
      return arrayRecords(chunks);
  }
}
