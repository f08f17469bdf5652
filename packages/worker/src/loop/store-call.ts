import { setTimeout as sleep } from "node:timers/promises";
import type { Observe, SourceCall } from "../observe.ts";
import { backoffMs } from "../retry.ts";

/** A guess: short enough that a hiccup is not felt, long enough not to press a store that is down. */
const backoff = { retryBaseMs: 100, retryMaxMs: 5000 };

/** How a call of the store is repeated. */
export interface RetriedCall<T> {
  call: SourceCall;
  run: () => Promise<T>;
  observe: Observe;
  /** Ends the repetitions; a call under way is still waited for. */
  signal: AbortSignal;
  /** Errors that no repetition can mend; they are thrown. Default: none are. */
  isFinal?: (error: unknown) => boolean;
}

/** Calls until there is an answer, with a growing delay. undefined: the signal aborted first. */
export async function callUntilAnswered<T>({
  call,
  run,
  observe,
  signal,
  isFinal = () => false,
}: RetriedCall<T>): Promise<T | undefined> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await run();
    } catch (error) {
      if (isFinal(error)) throw error;
      const retryInMs = backoffMs(failures, backoff, Math.random);
      observe({ kind: "store-error", call, error, retryInMs });
      await pause(retryInMs, signal);
    }
  }
  return undefined;
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}
