import type { JsonValue } from "@bufbuild/protobuf";
import type { BoundedText } from "./bounded-text.ts";

/** One record of a file: what it holds, or why it holds nothing. */
export type FileRecord = {
  /** Where it begins, from 1: its line, or which element of the array it is. */
  place: number;
  /** As it stands in the file. */
  raw: string;
} & ({ value: JsonValue; text: string } | { problem: string });

/** What a place counts. */
export type Unit = "line" | "element";

/** The record of a text that should be JSON. */
export function jsonRecord(place: number, { raw, problem }: BoundedText): FileRecord {
  if (problem !== undefined) return { place, raw, problem };
  const text = raw.trim();
  try {
    const value: JsonValue = JSON.parse(text);
    return { place, raw, value, text };
  } catch (error) {
    return { place, raw, problem: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
