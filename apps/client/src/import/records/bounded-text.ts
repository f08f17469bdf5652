import { isUtf8 } from "node:buffer";

/** A text out of a file, or why it is none. */
export interface BoundedText {
  /** What is not UTF-8 is replaced, and what is too long is cut. */
  raw: string;
  problem?: string;
}

/** Puts a text together from the parts of it that the chunks of a file hold. */
export interface TextCollector {
  /** Bytes since the last text. */
  readonly bytes: number;
  add(part: Buffer): void;
  /** Ends the text. */
  take(): BoundedText;
}

/** A longer text is not held in memory: no event can be as long. */
export const maxTextBytes = 8 * 1024 * 1024;

/** How much of a text that is too long is kept, to show it. */
const keptBytes = 1024;

/** `what` is the name of such a text: "a line". */
export function createTextCollector(what: string, limit: number = maxTextBytes): TextCollector {
  let held: Buffer[] = [];
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    add(part) {
      if (bytes <= limit && part.length > 0) held.push(part);
      bytes += part.length;
    },
    take() {
      const [text, length] = [Buffer.concat(held), bytes];
      held = [];
      bytes = 0;
      if (length > limit) {
        const problem = `${what} must be at most ${limit} bytes, got ${length}`;
        return { raw: text.toString("utf8", 0, keptBytes), problem };
      }
      const raw = text.toString("utf8");
      return isUtf8(text) ? { raw } : { raw, problem: `${what} must be UTF-8` };
    },
  };
}
