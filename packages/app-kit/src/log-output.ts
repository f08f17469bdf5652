/** The output of a log. It never waits for a reader, and never throws. */
export interface LogOutput {
  /** One entry with its line break. It is lost when too much waits already, or when nobody reads. */
  write(entry: string): void;
  /** Entries that were lost so far. */
  readonly droppedLines: number;
  /** Blocks until nothing waits any more, at most so long: for the end of the process. */
  flush(withinMs: number): void;
}

/** What a log output writes to. */
export interface LogOutputOptions {
  /** Writes as much of these pieces as it can without waiting, and returns the number of bytes. Throws if nobody can read. */
  tryWrite: (pieces: readonly Uint8Array[]) => number;
  /** The entry that tells how many were lost before it. */
  lossEntry: (lines: number) => string;
}

/** What may wait for a reader: some thousand entries. */
const maxWaitingBytes = 1024 * 1024;
/** Entries in one write. */
const maxPieces = 500;
/** Between two tries while something waits. A pipe takes 64 KiB at once, hence 3 MB/s. */
const retryMs = 20;
/** The same when the process ends. */
const flushRetryMs = 5;

interface Entry {
  /** What of it is still to be written. */
  bytes: Uint8Array;
  /** The number of lost entries that it reports; 0: an ordinary entry. */
  tells: number;
}

/**
 * A log output is in one of three states:
 * - idle: nothing waits. An entry is written at once; what is not taken waits.
 * - waiting: entries wait in their order, and a timer tries again. Back to idle when all of them are written.
 * - dropping: more waited than may. Every entry is dropped and counted, so that there is one gap. When nothing waits any
 *   more, the next entry tells how long the gap was, and the output is idle.
 *
 * When nobody can read any more, what waits is dropped as well, and the next entry that is written is preceded by the one
 * that tells of it.
 */
export function createLogOutput({ tryWrite, lossEntry }: LogOutputOptions): LogOutput {
  const waiting: Entry[] = [];
  let waitingBytes = 0;
  let droppedLines = 0;
  /** Lost entries that no entry has reported yet. */
  let untold = 0;
  /** The last line that was written lacks its end. */
  let isTorn = false;
  let timer: NodeJS.Timeout | undefined;

  const push = (text: string, tells = 0) => {
    const isNewLine = isTorn && waiting.length === 0;
    const bytes = Buffer.from(isNewLine ? `\n${text}` : text);
    waiting.push({ bytes, tells });
    waitingBytes += bytes.byteLength;
  };

  const tellLoss = () => {
    if (untold === 0) return;
    push(lossEntry(untold), untold);
    untold = 0;
  };

  const drop = (tells: number) => {
    if (tells === 0) droppedLines++;
    untold += tells === 0 ? 1 : tells;
  };

  const forget = (written: number) => {
    waitingBytes -= written;
    for (let left = written; left > 0;) {
      const [first] = waiting;
      if (first === undefined) return;
      const { byteLength } = first.bytes;
      isTorn = byteLength > left;
      if (isTorn) first.bytes = first.bytes.subarray(left);
      else waiting.shift();
      left -= byteLength;
    }
  };

  /** Writes what is taken. False: nobody can read it, and it was dropped. */
  const advance = (): boolean => {
    try {
      for (let written = 1; written > 0 && waiting.length > 0; forget(written)) {
        written = tryWrite(waiting.slice(0, maxPieces).map(({ bytes }) => bytes));
      }
      return true;
    } catch {
      for (const { tells } of waiting.splice(0)) drop(tells);
      waitingBytes = 0;
      return false;
    }
  };

  const writeWaiting = () => {
    if (!advance()) return;
    if (waiting.length === 0 && untold > 0) {
      tellLoss();
      advance();
    }
    if (waiting.length > 0) timer ??= setTimeout(retry, retryMs).unref();
  };

  const retry = () => {
    timer = undefined;
    writeWaiting();
  };

  return {
    get droppedLines() {
      return droppedLines;
    },
    write(entry) {
      const isIdle = waiting.length === 0;
      if (isIdle) tellLoss();
      else if (untold > 0 || waitingBytes + entry.length > maxWaitingBytes) return drop(0);
      push(entry);
      if (isIdle) writeWaiting();
    },
    flush(withinMs) {
      const end = performance.now() + withinMs;
      writeWaiting();
      while (waiting.length > 0 && performance.now() < end) {
        block(flushRetryMs);
        writeWaiting();
      }
    },
  };
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
