import { isUtf8 } from "node:buffer";

/** A line of a file, or why it is none. */
export interface Line {
  /** From 1. */
  line: number;
  /** Without its end; what is not UTF-8 is replaced, and what is too long is cut. */
  raw: string;
  problem?: string;
}

/** Longer lines are not held in memory: no event can be as long. */
const maxLineBytes = 8 * 1024 * 1024;

/** How much of a line that is too long is kept, to show it. */
const keptBytes = 1024;

const newline = 10;

/** Splits at LF or CR LF; the last line needs no end. */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  limit: number = maxLineBytes,
): AsyncGenerator<Line, void> {
  let line = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;

  const hold = (part: Buffer) => {
    if (heldBytes <= limit && part.length > 0) held.push(part);
    heldBytes += part.length;
  };
  const finish = (): Line => {
    const bytes = Buffer.concat(held);
    const length = heldBytes;
    held = [];
    heldBytes = 0;
    return toLine(bytes, { line: ++line, length, limit });
  };

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      hold(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    hold(chunk.subarray(start));
  }
  if (heldBytes > 0) yield finish();
}

function toLine(
  bytes: Buffer,
  { line, length, limit }: { line: number; length: number; limit: number },
): Line {
  if (length > limit) {
    const raw = bytes.toString("utf8", 0, keptBytes);
    return { line, raw, problem: `a line must be at most ${limit} bytes, got ${length}` };
  }
  const raw = bytes.toString("utf8").replace(/\r$/, "");
  return isUtf8(bytes) ? { line, raw } : { line, raw, problem: "a line must be UTF-8" };
}

/** Leaves out the byte order mark that some programs begin a file with. */
export async function* withoutMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let first = true;
  for await (const chunk of chunks) {
    // A first chunk that ends inside the mark does not come from a file, and hardly from a pipe.
    yield first && chunk.subarray(0, 3).equals(mark) ? chunk.subarray(3) : chunk;
    first = false;
  }
}

const mark = Buffer.from([0xef, 0xbb, 0xbf]);
