import { StoreError } from "@event-ingestion/store";

/** A queue of callers for values that arrive one at a time: first come, first served. */
export interface WaitingLine<T> {
  /** @throws StoreError notApplied/overloaded if nothing came within the time */
  wait: (limitMs: number) => Promise<T>;
  /** Gives it to the first one. False: nobody waits. */
  serve: (value: T) => boolean;
  /** Nothing will come. */
  dismiss: (reason: StoreError) => void;
}

/** An empty line. */
export function createWaitingLine<T>(): WaitingLine<T> {
  const waiting = new Set<{ serve: (value: T) => void; dismiss: (reason: StoreError) => void }>();

  return {
    wait: (limitMs) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          waiting.delete(place);
          clearTimeout(timer);
        };
        const place = {
          serve(value: T) {
            leave();
            resolve(value);
          },
          dismiss(reason: StoreError) {
            leave();
            reject(reason);
          },
        };
        const late = () => place.dismiss(new StoreError("notApplied", "overloaded", busy(limitMs)));
        const timer = setTimeout(late, limitMs);
        waiting.add(place);
      }),
    serve(value) {
      const [first] = waiting;
      first?.serve(value);
      return first !== undefined;
    },
    dismiss(reason) {
      for (const place of waiting) place.dismiss(reason);
    },
  };
}

function busy(limitMs: number): string {
  return `no connection was free within ${Math.round(limitMs)} ms`;
}
