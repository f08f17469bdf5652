/** When a batch is full. */
export interface BatchLimits {
  maxItems: number;
  /** A single item may exceed it. */
  maxBytes: number;
  /** How long the first item of a batch waits for more, in ms. */
  lingerMs: number;
}

/**
 * Groups what a source gives, each item prepared with its place in the input. Reads only as far as it is asked to, and
 * ends when `stop` aborts. Whatever the source throws comes after the batch that was begun.
 */
export async function* toBatches<E, T extends { bytes: number }>(
  events: Iterable<E> | AsyncIterable<E>,
  { maxItems, maxBytes, lingerMs, prepare }: BatchLimits & { prepare: (event: E, index: number) => T },
  stop: AbortSignal,
): AsyncGenerator<T[], void> {
  const source = Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
  let read: Promise<IteratorResult<E>> | IteratorResult<E> | undefined;
  let carried: T | undefined;
  let index = 0;
  let end: { failure?: unknown } | undefined;

  const take = async (alarm: Alarm): Promise<T | { failure?: unknown } | "nothing yet"> => {
    try {
      read ??= source.next();
      const got = await Promise.race([read, alarm.rung]);
      if (got === undefined) return "nothing yet";
      read = undefined;
      return got.done === true ? {} : prepare(got.value, index++);
    } catch (failure) {
      read = undefined;
      return { failure };
    }
  };

  try {
    while (!stop.aborted && (end === undefined || carried !== undefined)) {
      const batch = carried === undefined ? [] : [carried];
      let bytes = carried?.bytes ?? 0;
      carried = undefined;
      const alarm = createAlarm(stop);
      while (batch.length < maxItems && end === undefined) {
        if (batch.length > 0) alarm.start(lingerMs);
        const item = await take(alarm);
        if (item === "nothing yet") break;
        if (!("bytes" in item)) {
          end = item;
        } else if (batch.length > 0 && bytes + item.bytes > maxBytes) {
          carried = item;
          break;
        } else {
          batch.push(item);
          bytes += item.bytes;
        }
      }
      alarm.clear();
      if (batch.length > 0 && !stop.aborted) yield batch;
    }
    if (end !== undefined && "failure" in end) throw end.failure;
  } finally {
    const returned = Promise.resolve(end === undefined ? source.return?.() : undefined);
    // A source that is being read answers only when that read ends, which may be never.
    if (read === undefined) await returned;
    else returned.catch(() => undefined);
  }
}

interface Alarm {
  /** Settles once: `ms` after the first `start`, or when the signal aborts. */
  rung: Promise<undefined>;
  start(ms: number): void;
  clear(): void;
}

function createAlarm(signal: AbortSignal): Alarm {
  const { promise: rung, resolve } = Promise.withResolvers<undefined>();
  const ring = () => resolve(undefined);
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", ring, { once: true });
  return {
    rung,
    start: (ms) => void (timer ??= setTimeout(ring, ms)),
    clear() {
      clearTimeout(timer);
      signal.removeEventListener("abort", ring);
    },
  };
}
