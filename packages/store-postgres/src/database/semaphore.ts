import { createWaitingLine } from "./waiting-line.ts";

/** Lets a fixed number of holders in at once; the others wait in order. */
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
  const waiting = createWaitingLine<() => void>();
  const idle: (() => void)[] = [];
  let taken = 0;

  const end = () => {
    if (waiting.serve(end)) return;
    taken--;
    if (taken === 0) for (const resolve of idle.splice(0)) resolve();
  };

  return {
    take(limitMs) {
      if (taken === size) return waiting.wait(limitMs);
      taken++;
      return Promise.resolve(end);
    },
    over: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
