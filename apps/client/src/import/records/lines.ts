import { type BoundedText, createTextCollector } from "./bounded-text.ts";

/** A line of a file without its end, or why it is none. */
export interface Line extends BoundedText {
  /** From 1. */
  line: number;
}

const newline = 10;

/** Splits at LF or CR LF; the last line needs no end. `limit` is in bytes; longer lines have a problem. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, limit?: number): AsyncGenerator<Line, void> {
  const collector = createTextCollector("a line", limit);
  let line = 0;
  const finish = (): Line => {
    const text = collector.take();
    return { line: ++line, ...text, raw: text.raw.replace(/\r$/, "") };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      collector.add(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    collector.add(chunk.subarray(start));
  }
  if (collector.bytes > 0) yield finish();
}
