import type { WaitingGroup, WaitingList } from "./waiting-list.ts";

/** The caller of a group, who waits for the answer. */
export interface Caller {
  /** Aborts when nobody waits any more. Asked for late or never, so it may be made on demand. */
  readonly signal: AbortSignal;
}

/** A group whose caller may give up. */
export interface AbortableGroup<T> extends WaitingGroup<T> {
  readonly caller: Caller | undefined;
  reject: (reason: unknown) => void;
  /** It waited already when the list was last looked through. */
  isLate: boolean;
  /** Stops listening for an abort. Unset: nobody listens. */
  leave?: () => void;
}

/** Removes groups whose caller has given up. */
export interface LateCallers {
  /** Groups wait: those that wait for long will be listened to. */
  watch(): void;
}

/**
 * How often the list is checked for groups that wait long, in ms. A group that is found twice gets a listener for its caller's
 * abort. Most groups leave earlier: a signal and a listener for every call cost a third of the call's time.
 */
const lookMs = 10;

/** Looks through the list for as long as groups wait in it. */
export function createLateCallers<G extends AbortableGroup<unknown>>(list: WaitingList<G>): LateCallers {
  let timer: NodeJS.Timeout | undefined;

  const listen = (group: G) => {
    const signal = group.caller?.signal;
    const abort = () => {
      group.leave?.();
      list.remove(group);
      group.reject(signal?.reason);
    };
    group.leave = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  };

  const look = () => {
    timer = undefined;
    for (const group of list.groups()) {
      if (group.isLate && group.leave === undefined) listen(group);
      group.isLate = true;
    }
    watch();
  };

  const watch = () => {
    if (list.size() > 0) timer ??= setTimeout(look, lookMs);
  };

  return { watch };
}
