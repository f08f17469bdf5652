import { Bag, type Member } from "./bag.ts";

/** Deadlines of many things under one timer. */
export interface Deadlines<T> {
  /** `at` is a time of `performance.now`; infinity is fine. The item leaves when it needs no deadline any more. */
  add(item: T, at: number): Member<T>;
  /** An item whose deadline has not passed. */
  readonly items: Iterable<Member<T>>;
}

/**
 * Calls `expire` for each item when its deadline has passed, at most `tickMs` late. Most items go before that: a timer for
 * each of them would cost several times as much. The one timer waits for the earliest deadline it knows.
 */
export function createDeadlines<T>(tickMs: number, expire: (item: T) => void): Deadlines<T> {
  const due = new Bag<T>();
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
    for (const member of due) {
      if (member.value > now) next = Math.min(next, member.value);
      else {
        member.leave();
        expire(member.item);
      }
    }
    if (next < wakeAt) wake(Math.max(next, now + tickMs));
  };
  return {
    add(item, at) {
      if (at < wakeAt) wake(at);
      return due.add(item, at);
    },
    items: due,
  };
}
