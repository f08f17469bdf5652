/** Deadlines of many things under one timer. */
export interface Deadlines<T> {
  /** `at` is a time of `performance.now`; infinity is fine. */
  add(item: T, at: number): void;
  delete(item: T): void;
  /** What has a deadline that has not passed. */
  readonly items: Iterable<T>;
}

/**
 * Calls `expire` for each item when its deadline has passed, at most `tickMs` late. Most items go before that: a timer for
 * each of them would cost several times as much. The one timer waits for the earliest deadline it knows.
 */
export function createDeadlines<T>(tickMs: number, expire: (item: T) => void): Deadlines<T> {
  const due = new Map<T, number>();
  let wakeAt = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  const wake = (at: number) => {
    clearTimeout(timer);
    wakeAt = at;
    timer = setTimeout(sweep, at - performance.now()).unref();
  };
  const sweep = () => {
    const now = performance.now();
    let next = (wakeAt = Number.POSITIVE_INFINITY);
    for (const [item, at] of due) {
      if (at > now) next = Math.min(next, at);
      else {
        due.delete(item);
        expire(item);
      }
    }
    if (next < wakeAt) wake(Math.max(next, now + tickMs));
  };
  return {
    add(item, at) {
      due.set(item, at);
      if (at < wakeAt) wake(at);
    },
    delete: (item) => void due.delete(item),
    get items() {
      return due.keys();
    },
  };
}
