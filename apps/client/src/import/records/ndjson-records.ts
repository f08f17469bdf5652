import { usageFailure } from "../../failure.ts";
import { type FileRecord, jsonRecord } from "./file-record.ts";
import { splitLines } from "./lines.ts";
import { textBytes } from "./text-bytes.ts";

/** How a file is known to be NDJSON. */
export interface NdjsonOptions {
  /** By an option, by the name of the file, or not at all: then its first record must be JSON. */
  knownBy: "option" | "name" | "nothing";
}

/**
 * One JSON value a line; empty lines are left out. `text` is the line.
 *
 * @throws Failure at the first record if the file is not NDJSON.
 */
export async function* ndjsonRecords(
  chunks: AsyncIterable<Buffer>,
  { knownBy }: NdjsonOptions,
): AsyncGenerator<FileRecord, void> {
  let first = true;
  for await (const line of splitLines(textBytes(chunks))) {
    if (line.raw.trim() === "") continue;
    const record = jsonRecord(line.line, line);
    if (first) checkFirst(record, knownBy);
    first = false;
    yield record;
  }
}

/** A file of another format fails at its first line; a mistake that comes later belongs to its record. */
function checkFirst(record: FileRecord, knownBy: NdjsonOptions["knownBy"]): void {
  const text = record.raw.trim();
  const line = `line ${record.place}`;
  if (!("problem" in record)) {
    if (!text.startsWith("[") || knownBy === "option") return;
    throw usageFailure(
      `${line} is a JSON array`,
      "send each of its elements with --array, or each line as one event with --format ndjson",
    );
  }
  if (/\r(?!\n)/.test(text)) {
    throw usageFailure(
      `${line}: lines must end in LF or CR LF, got CR`,
      "convert it, as with tr '\\r' '\\n'",
    );
  }
  if (text.startsWith("[")) {
    throw usageFailure(`${line} begins a JSON array and does not end it`, "send its elements with --array");
  }
  if (/^\{(.*[,{[])?$/.test(text)) {
    throw usageFailure(
      `${line} begins a JSON object and does not end it`,
      "write each record in a line of its own, as with jq -c .",
    );
  }
  if (knownBy === "nothing") {
    throw usageFailure(
      `${line}: ${record.problem}`,
      "say what the file is with --format csv, or --format ndjson to go on after what is wrong",
    );
  }
}
