import { type AbortableGroup, type Caller, createLateCallers } from "./late-callers.ts";
import { StoreError } from "./store-error.ts";
import { createWaitingList } from "./waiting-list.ts";

/** How a batcher calls the store, and how much it lets wait. */
export interface BatcherOptions<T, R> {
  /** One call for the items of many groups; one result per item, in order. */
  run: (items: readonly T[]) => Promise<R[]>;
  /** Calls that run at once. */
  concurrency: number;
  /**
   * Whether one more call may be handed over early, to begin as soon as another ends. Only for a store that queues such a call at
   * no cost: a deadline that starts with the call would run while the call waits. Default: false.
   */
  early?: boolean;
  /** Items in one call. A larger group is refused. */
  maxBatch: number;
  /** Bytes in one call, as `bytesOf` counts them; a single group may exceed it. */
  maxBatchBytes: number;
  /** Items that may wait. */
  maxPending: number;
  /** Bytes that may wait. */
  maxPendingBytes: number;
  bytesOf: (item: T) => number;
}

/** Collects groups of items while calls are under way, so that all who wait share the next call. */
export interface Batcher<T, R> {
  /**
   * Answers with one result per item, in order. A group is never split over two calls; groups go first in, first out.
   *
   * An abort takes a group out that has waited for 20 ms or more: nothing of it was done, and the promise rejects with
   * the signal's reason. Otherwise, and once its call is under way, the result stands.
   *
   * @throws StoreError notApplied/overloaded at once when too much waits, notApplied/unavailable after `close`, or
   * whatever the call threw, the same for all groups in it.
   */
  submit(group: readonly T[], caller?: Caller): Promise<R[]>;
  /** Items that wait, and their bytes; without those of calls under way. */
  readonly pending: { readonly items: number; readonly bytes: number };
  /** Calls what waits, then refuses. Resolves when nothing is under way. */
  close(): Promise<void>;
}

interface Group<T, R> extends AbortableGroup<T> {
  resolve: (results: R[]) => void;
}

/** The fewest groups of an early call: each call has a fixed cost, so a smaller one does not pay. */
const minEarly = 8;

/**
 * The states of a batcher:
 *
 * - idle: nothing is under way. A group that comes leaves at the end of the same turn of the event loop, with all that came
 *   in it (`schedule`), so an idle service adds no delay.
 * - busy: `concurrency` calls are under way. Groups wait, and leave together as soon as a call ends: the size of a call
 *   follows the arrival rate times the duration of a call.
 * - early (only with `early`): busy, and one more call is handed over. It has as many small groups as the last call had, and
 *   begins as soon as the last call ends, even before this thread notices the end.
 * - closed: what waits still leaves; nothing new is taken. `drained` resolves when nothing waits and nothing is under way.
 */
export function createBatcher<T, R>(options: BatcherOptions<T, R>): Batcher<T, R> {
  const list = createWaitingList<Group<T, R>>(options);
  const lateCallers = createLateCallers(list);
  const { pending } = list;
  let underWay = 0;
  let last = { groups: 0, items: 0, bytes: 0 };
  let isScheduled = false;
  let isClosed = false;
  const drained = Promise.withResolvers<void>();

  const mayCallEarly = () =>
    options.early === true &&
    underWay === options.concurrency &&
    list.size() >= Math.max(minEarly, last.groups) &&
    last.items + pending.items <= options.maxBatch &&
    last.bytes + pending.bytes <= options.maxBatchBytes;

  const pump = () => {
    while (underWay < options.concurrency || mayCallEarly()) {
      const groups = list.take();
      if (groups.length === 0) break;
      for (const group of groups) group.leave?.();
      begin(groups);
    }
    lateCallers.watch();
  };

  const begin = (groups: Group<T, R>[]) => {
    underWay++;
    last = sizeOf(groups);
    let isLongCall = false;
    setImmediate(() => (isLongCall = true));
    void call(options.run, groups).then((answer) => {
      underWay--;
      // First, so that the store goes on while the answers are made. But calls that end at once must let other work run.
      if (isLongCall) pump();
      else schedule();
      answer();
      endWhenDrained();
    });
  };

  /** Called after the last answers are made, not before. */
  const endWhenDrained = () => {
    if (isClosed && list.size() === 0 && underWay === 0) drained.resolve();
  };

  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      pump();
      endWhenDrained();
    });
  };

  const submit = (items: readonly T[], caller?: Caller): Promise<R[]> => {
    if (items.length === 0) return Promise.resolve([]);
    const bytes = items.reduce((sum, item) => sum + options.bytesOf(item), 0);
    const refusal = refusalOf(items.length, bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      list.add({ items, bytes, caller, resolve, reject, isLate: false, isGone: false });
      schedule();
    });
  };

  const refusalOf = (count: number, bytes: number): StoreError | undefined => {
    if (isClosed) return new StoreError("notApplied", "unavailable", "the service is shutting down");
    if (count > options.maxBatch) {
      return new StoreError(
        "notApplied",
        "invalid",
        `a batch has at most ${options.maxBatch} items, got ${count}`,
      );
    }
    if (pending.items + count > options.maxPending || pending.bytes + bytes > options.maxPendingBytes) {
      return new StoreError("notApplied", "overloaded", "too much is waiting to be stored");
    }
    return undefined;
  };

  return {
    submit,
    pending,
    close() {
      isClosed = true;
      pump();
      endWhenDrained();
      return drained.promise;
    },
  };
}

function sizeOf(groups: readonly { items: readonly unknown[]; bytes: number }[]) {
  const size = { groups: groups.length, items: 0, bytes: 0 };
  for (const { items, bytes } of groups) {
    size.items += items.length;
    size.bytes += bytes;
  }
  return size;
}

/** Resolves, when the call has ended, with what answers the groups. */
async function call<T, R>(
  run: (items: readonly T[]) => Promise<R[]>,
  groups: Group<T, R>[],
): Promise<() => void> {
  const [only, ...others] = groups;
  const items =
    others.length === 0 && only !== undefined ? only.items : groups.flatMap((group) => group.items);
  try {
    const results = await run(items);
    if (results.length !== items.length) throw new Error("a call answered other items than it was asked for");
    return () => {
      let start = 0;
      for (const group of groups) group.resolve(results.slice(start, (start += group.items.length)));
    };
  } catch (error) {
    return () => {
      for (const group of groups) group.reject(error);
    };
  }
}
