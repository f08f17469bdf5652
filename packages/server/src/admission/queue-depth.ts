import type { JobStore } from "@event-ingestion/store";

const recountMs = 1000;

/** The weight of the latest second in the rate. */
const weight = 0.5;

/** The number of jobs that wait in the store, exact to about a second. */
export interface QueueDepth {
  queued: () => number;
  /** The rate at which workers take jobs. */
  leavingPerMs: () => number;
  /** Counts what was just stored, so that a burst between two counts is bounded too. */
  added: (events: number) => void;
}

/** Recounts each second until the signal aborts; while the store cannot count, the last number stands. */
export function watchQueueDepth(store: Pick<JobStore, "counts">, signal: AbortSignal): QueueDepth {
  let depth = 0;
  let leavingPerMs = 0;
  const recount = () =>
    store.counts().then(
      ({ byState }) => {
        leavingPerMs += weight * (Math.max(0, depth - byState.QUEUED) / recountMs - leavingPerMs);
        depth = byState.QUEUED;
      },
      () => undefined,
    );
  const timer = setInterval(recount, recountMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  void recount();
  return {
    queued: () => depth,
    leavingPerMs: () => leavingPerMs,
    added: (events) => void (depth += events),
  };
}
