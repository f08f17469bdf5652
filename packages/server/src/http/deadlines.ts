/** Deadlines of many things under one timer, which runs only while there are any. */
export interface Deadlines<T> {
  /** `at` is a time of `performance.now`; infinity is fine. */
  add(item: T, at: number): void;
  delete(item: T): void;
  /** What has a deadline that has not passed. */
  readonly items: Iterable<T>;
}

/** Calls `expire` for each item at most `tickMs` after its deadline. A timer for each would cost several times as much. */
export function createDeadlines<T>(tickMs: number, expire: (item: T) => void): Deadlines<T> {
  const due = new Map<T, number>();
  let timer: NodeJS.Timeout | undefined;
  const sweep = () => {
    const now = performance.now();
    for (const [item, at] of due) {
      if (at > now) continue;
      due.delete(item);
      expire(item);
    }
    if (due.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    add(item, at) {
      due.set(item, at);
      timer ??= setInterval(sweep, tickMs).unref();
    },
    delete: (item) => void due.delete(item),
    get items() {
      return due.keys();
    },
  };
}
