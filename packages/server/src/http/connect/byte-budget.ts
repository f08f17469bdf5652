import type { ConnectError } from "@connectrpc/connect";
import { retryLater } from "../../retry-info.ts";

/** Bytes of requests that have come in and are not answered yet, of all calls together. */
export interface ByteBudget {
  /** Whether so many more would fit now. */
  fits(bytes: number): boolean;
  /** Counts so many more if they fit; false if they do not. */
  take(bytes: number): boolean;
  /** Counts so many less. */
  give(bytes: number): void;
}

/** What one call has in a budget. */
export interface ByteAccount {
  /** @throws ConnectError UNAVAILABLE with RetryInfo if they do not fit. */
  add(bytes: number): void;
  /** Counts only so many of the bytes added so far. */
  keep(bytes: number): void;
  /** The call is over: nothing of it counts, whatever is added. */
  close: () => void;
  readonly closed: boolean;
}

/** A budget of `maxBytes`, unused. */
export function createByteBudget(maxBytes: number): ByteBudget {
  let used = 0;
  const fits = (bytes: number) => used + bytes <= maxBytes;
  return {
    fits,
    take(bytes) {
      if (!fits(bytes)) return false;
      used += bytes;
      return true;
    },
    give(bytes) {
      used -= bytes;
    },
  };
}

/** An account in `budget`, empty. */
export function openAccount(budget: ByteBudget): ByteAccount {
  let counted = 0;
  let closed = false;
  const keep = (bytes: number) => {
    if (closed) return;
    budget.give(counted - bytes);
    counted = bytes;
  };
  return {
    add(bytes) {
      if (closed) return;
      if (!budget.take(bytes)) throw overBudget();
      counted += bytes;
    },
    keep,
    close() {
      keep(0);
      closed = true;
    },
    get closed() {
      return closed;
    },
  };
}

/** The answer to a call that does not fit. */
export function overBudget(): ConnectError {
  return retryLater("too many bytes of requests are being received; send this one again");
}
