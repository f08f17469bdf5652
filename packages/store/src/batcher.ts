import { StoreError } from "./store-error.ts";

/** How a batcher calls the store, and how much it lets wait. */
export interface BatcherOptions<T, R> {
  /** One call for the items of many groups; one result per item, in order. */
  run: (items: readonly T[]) => Promise<R[]>;
  /** Calls that run at once. */
  concurrency: number;
  /**
   * Whether one more may be handed over early, to begin as soon as another ends. For what queues such a call at no cost: where
   * a deadline runs from the call on, it would run while the call waits. Default: false.
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

/** Who waits for an answer. */
export interface Caller {
  /** Aborts when nobody waits any more. Asked for late or never, so it may be made on demand. */
  readonly signal: AbortSignal;
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

interface Group<T, R> {
  items: readonly T[];
  bytes: number;
  caller: Caller | undefined;
  resolve: (results: R[]) => void;
  reject: (reason: unknown) => void;
  /** It waited as others began to be listened to. */
  isLate: boolean;
  /** Stops listening for an abort. */
  leave?: () => void;
  /** It was taken out by an abort. */
  gone: boolean;
}

/**
 * So often it is looked who waits for a second time; their signals are listened to. Most leave before: to make a signal for
 * each call, and to listen to it, cost a third of its time.
 */
const listenMs = 10;

/** A call costs something, however little is in it: with fewer groups none is handed over early. */
const minEarly = 8;

/**
 * With nothing under way a group leaves in the same turn of the event loop, with all that came in it, so an idle service
 * adds no delay. With all calls busy, groups wait and leave together as soon as one ends: the batch size follows the arrival
 * rate times the duration of a call.
 *
 * With `early`, as many small groups as were in the last call make one that is handed over before that one has ended: it
 * begins at once then, and not when this thread has found the time to hear of the end.
 */
export function createBatcher<T, R>(options: BatcherOptions<T, R>): Batcher<T, R> {
  /** In the order they came. Not a Set: what has been in one is kept from quick garbage collections. */
  let waiting: Group<T, R>[] = [];
  let gone = 0;
  const pending = { items: 0, bytes: 0 };
  let underWay = 0;
  let last = { groups: 0, items: 0, bytes: 0 };
  let scheduled = false;
  let listening: NodeJS.Timeout | undefined;
  let closed = false;
  const drained = Promise.withResolvers<void>();

  const forget = (group: Group<T, R>) => {
    group.leave?.();
    pending.items -= group.items.length;
    pending.bytes -= group.bytes;
  };

  /** Its place is given up together with many others: one by one, each would cost as much as all that wait. */
  const takeOut = (group: Group<T, R>) => {
    forget(group);
    group.items = [];
    group.gone = true;
    gone++;
    if (gone * 2 < waiting.length) return;
    waiting = waiting.filter((each) => !each.gone);
    gone = 0;
  };

  /** The groups of the next call, oldest first. */
  const take = (): Group<T, R>[] => {
    let end = 0;
    let count = 0;
    let bytes = 0;
    for (const group of waiting) {
      const fits =
        count + group.items.length <= options.maxBatch && bytes + group.bytes <= options.maxBatchBytes;
      if (count > 0 && !fits) break;
      end++;
      count += group.items.length;
      bytes += group.gone ? 0 : group.bytes;
    }
    const groups = waiting.splice(0, end).filter((group) => !group.gone);
    gone -= end - groups.length;
    for (const group of groups) forget(group);
    return groups;
  };

  const mayCallEarly = () =>
    options.early === true &&
    underWay === options.concurrency &&
    waiting.length - gone >= Math.max(minEarly, last.groups) &&
    last.items + pending.items <= options.maxBatch &&
    last.bytes + pending.bytes <= options.maxBatchBytes;

  const pump = () => {
    while (underWay < options.concurrency || mayCallEarly()) {
      const groups = take();
      if (groups.length === 0) break;
      underWay++;
      last = sizeOf(groups);
      let isLongCall = false;
      setImmediate(() => (isLongCall = true));
      void call(options.run, groups).then((answer) => {
        underWay--;
        // First, so that the store works on while the answers are made; but calls that end at once must leave others a turn.
        if (isLongCall) pump();
        else schedule();
        answer();
        endWhenDrained();
      });
    }
    if (waiting.length > gone) listening ??= setTimeout(listen, listenMs);
  };

  /** Not before the last answers are made. */
  const endWhenDrained = () => {
    if (closed && waiting.length === gone && underWay === 0) drained.resolve();
  };

  const listen = () => {
    listening = undefined;
    // A copy, as those that have been aborted leave.
    for (const group of waiting.slice()) {
      if (group.isLate && !group.gone && group.leave === undefined) listenTo(group);
      group.isLate = true;
    }
    if (waiting.length > gone) listening = setTimeout(listen, listenMs);
  };

  const listenTo = (group: Group<T, R>) => {
    const signal = group.caller?.signal;
    const abort = () => {
      takeOut(group);
      group.reject(signal?.reason);
    };
    group.leave = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  };

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      pump();
      endWhenDrained();
    });
  };

  const submit = (items: readonly T[], caller?: Caller): Promise<R[]> => {
    if (items.length === 0) return Promise.resolve([]);
    const bytes = items.reduce((sum, item) => sum + options.bytesOf(item), 0);
    const refusal = refuse(items.length, bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      waiting.push({ items, bytes, caller, resolve, reject, isLate: false, gone: false });
      pending.items += items.length;
      pending.bytes += bytes;
      schedule();
    });
  };

  const refuse = (count: number, bytes: number): StoreError | undefined => {
    if (closed) return new StoreError("notApplied", "unavailable", "the service is shutting down");
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
      closed = true;
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
