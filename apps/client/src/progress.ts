import { inWords } from "./output.ts";

/** How far it is. */
export interface Position {
  /** Of what was done by this run. */
  count: number;
  /** Where it is on the way to `total`. */
  at: number;
  /** undefined: unknown, as for a pipe. */
  total: number | undefined;
}

/** What `showProgress` takes. */
export interface ProgressOptions {
  /** Where it is shown. */
  stream: { isTTY?: boolean; columns?: number; write(text: string): unknown };
  /** Show nothing. */
  quiet: boolean;
  /** What is done: "sent". */
  verb: string;
  position: () => Position;
}

/** Shows how far something long is: a bar on a terminal, else a line every 5 s. */
export interface Progress extends Disposable {
  /** A line between. */
  say(text: string): void;
}

const barMs = 100;
const lineMs = 5000;
const clearLine = "\r\u001B[K";

/** Shows on a terminal how far a long command is, elsewhere a line from time to time. Ends when it is disposed of. */
export function showProgress({ stream, quiet, verb, position }: ProgressOptions): Progress {
  if (quiet) return { say: () => undefined, [Symbol.dispose]: () => undefined };
  const start = performance.now();
  const show = () => {
    const text = progressLine(position(), { elapsedMs: performance.now() - start, verb });
    stream.write(stream.isTTY ? clearLine + text.slice(0, (stream.columns || 80) - 1) : `${text}\n`);
  };
  const clear = () => void (stream.isTTY && stream.write(clearLine));
  const timer = setInterval(show, stream.isTTY ? barMs : lineMs);
  return {
    say(text) {
      clear();
      stream.write(`${text}\n`);
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      clear();
    },
  };
}

/** "[######--------------]  31 %  310,000 sent  52,000/s  13.2 s left", without a total "310,000 sent  52,000/s". */
export function progressLine(
  { count, at, total }: Position,
  { elapsedMs, verb }: { elapsedMs: number; verb: string },
): string {
  const rate = elapsedMs === 0 ? 0 : (count * 1000) / elapsedMs;
  const counts = `${count.toLocaleString("en-US")} ${verb}  ${Math.round(rate).toLocaleString("en-US")}/s`;
  if (total === undefined || total === 0) return counts;
  const part = Math.min(at / total, 1);
  const bar = "#".repeat(Math.floor(part * 20)).padEnd(20, "-");
  const left = part === 0 ? "" : `  ${inWords((elapsedMs * (1 - part)) / part)} left`;
  return `[${bar}]  ${Math.floor(part * 100)} %  ${counts}${left}`;
}
