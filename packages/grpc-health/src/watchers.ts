import { Code, ConnectError } from "@connectrpc/connect";

/** Calls that stay open and wait for changes, at most `max` at once. */
export interface Watchers {
  /** Takes a place until the signal aborts, and gives it back then. @throws ConnectError RESOURCE_EXHAUSTED */
  join(signal: AbortSignal): Watcher;
  /** Ends every wait. */
  wake(): void;
}

/** The place of one call. */
interface Watcher {
  /** Waits for the next `wake`, or for the abort of the signal: it never rejects. */
  change(): Promise<void>;
}

/** Room for `max` watchers, empty. */
export function createWatchers(max: number): Watchers {
  const waits = new Set<() => void>();
  return {
    join(signal) {
      signal.throwIfAborted();
      if (waits.size >= max) {
        throw new ConnectError(`${max} watchers are open, no more are taken`, Code.ResourceExhausted);
      }
      let wait = Promise.withResolvers<void>();
      const end = () => wait.resolve();
      const leave = () => {
        waits.delete(end);
        end();
      };
      waits.add(end);
      // The signal aborts however a call ends. The `finally` of its generator may never run: nobody resumes one
      // whose caller is gone.
      signal.addEventListener("abort", leave, { once: true });
      return {
        change() {
          wait = Promise.withResolvers<void>();
          return wait.promise;
        },
      };
    },
    wake() {
      for (const end of waits) end();
    },
  };
}
