import { usageFailure } from "../../failure.ts";
import { type BoundedText, createTextCollector } from "./bounded-text.ts";
import { type FileRecord, jsonRecord } from "./file-record.ts";
import { textBytes } from "./text-bytes.ts";

/**
 * The elements of one JSON array, of which no more than one is held at a time. `text` is the element as it is written.
 *
 * @throws Failure if the file does not begin with an array, ends before it, or goes on after it.
 */
export async function* arrayRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRecord, void> {
  let place = 0;
  for await (const element of splitElements(textBytes(chunks))) {
    yield jsonRecord(++place, { ...element, raw: element.raw.trim() });
  }
}

const [open, comma, close] = Buffer.from("[,]");

/**
 * Splits at the commas of the outer array. `limit` is in bytes; longer elements have a problem.
 *
 * @throws Failure as `arrayRecords`
 */
export async function* splitElements(
  chunks: AsyncIterable<Buffer>,
  limit?: number,
): AsyncGenerator<BoundedText, void> {
  const collector = createTextCollector("an element", limit);
  const step = createNesting();
  let state: "before" | "inside" | "after" = "before";
  let count = 0;
  for await (const chunk of chunks) {
    let start = 0;
    if (state === "before") {
      start = firstByte(chunk);
      if (start === chunk.length) continue;
      if (chunk[start] !== open) throw noArray(chunk.toString("utf8", start, start + 1));
      state = "inside";
      start++;
    }
    for (let at = start; at < chunk.length && state === "inside"; at++) {
      const byte = chunk[at] ?? 0;
      if (!step(byte)) continue;
      collector.add(chunk.subarray(start, at));
      start = at + 1;
      if (byte === close) state = "after";
      const element = collector.take();
      // Nothing between the brackets is no element; nothing after a comma is one that is missing.
      if (byte === comma || count > 0 || element.raw.trim() !== "") yield element;
      count++;
    }
    if (state === "inside") collector.add(chunk.subarray(start));
    else if (firstByte(chunk, start) < chunk.length) throw notAlone();
  }
  if (state !== "after") throw cutOff(count, state);
}

/** Takes the bytes of an array one by one and says of each whether it ends an element of the outer array. */
function createNesting(): (byte: number) => boolean {
  let depth = 0;
  let inString = false;
  let escaped = false;
  return (byte) => {
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === 0x5c) escaped = true;
      else if (byte === 0x22) inString = false;
      return false;
    }
    switch (byte) {
      case 0x22: // "
        inString = true;
        return false;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        return false;
      case 0x5d: // ]
        if (depth === 0) return true;
        depth--;
        return false;
      case 0x7d: // }
        // One too many does not end the array; it makes its element no JSON.
        depth = Math.max(0, depth - 1);
        return false;
      default:
        return byte === comma && depth === 0;
    }
  };
}

/** Where the first byte is that is not white space; the length if there is none. */
function firstByte(chunk: Buffer, from = 0): number {
  const at = chunk.subarray(from).findIndex((byte) => ![0x20, 0x0a, 0x0d, 0x09].includes(byte));
  return at === -1 ? chunk.length : from + at;
}

const repair = "correct the file and run the same command again";

function noArray(got: string) {
  return usageFailure(
    `the file must begin with a JSON array, got "${got}"`,
    "leave out --array if each line is a record",
  );
}

function notAlone() {
  return usageFailure("something follows the JSON array", repair);
}

function cutOff(count: number, state: "before" | "inside") {
  if (state === "before") return usageFailure("the file must hold a JSON array, got nothing", repair);
  return usageFailure(`the file ends in element ${count + 1}, before its JSON array does`, repair);
}
