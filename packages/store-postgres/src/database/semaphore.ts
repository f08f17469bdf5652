import { StoreError } from "@event-ingestion/store";

/** So many at once, the others wait in their order. */
export interface Semaphore {
  /**
   * Resolves with what ends the turn.
   *
   * @throws StoreError notApplied/overloaded if none came within the time
   */
  take: (limitMs: number) => Promise<() => void>;
  /** Resolves when nobody has a turn or waits for one. */
  over: () => Promise<void>;
}

/** A semaphore with `size` free places. */
export function createSemaphore(size: number): Semaphore {
  const waiting = new Set<() => void>();
  const idle: (() => void)[] = [];
  let taken = 0;

  const end = () => {
    const [next] = waiting;
    if (next !== undefined) return next();
    taken--;
    if (taken === 0) for (const resolve of idle.splice(0)) resolve();
  };
  const wait = (limitMs: number) =>
    new Promise<() => void>((resolve, reject) => {
      const stop = () => {
        waiting.delete(start);
        clearTimeout(timer);
      };
      const start = () => {
        stop();
        resolve(end);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new StoreError("notApplied", "overloaded", `no connection was free within ${limitMs} ms`));
      }, limitMs);
      waiting.add(start);
    });

  return {
    take(limitMs) {
      if (taken === size) return wait(limitMs);
      taken++;
      return Promise.resolve(end);
    },
    over: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
