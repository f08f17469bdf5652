import type { JobStore } from "@event-ingestion/store";

const recountMs = 1000;

/** The number of jobs that wait in the store, exact to about a second. */
export interface QueueDepth {
  queued: () => number;
  /** Counts what was just stored, so that a burst between two counts is bounded too. */
  added: (events: number) => void;
}

/** Recounts each second until the signal aborts; while the store cannot count, the last number stands. */
export function watchQueueDepth(store: JobStore, signal: AbortSignal): QueueDepth {
  let depth = 0;
  const recount = () =>
    store.counts().then(
      ({ byState }) => void (depth = byState.QUEUED),
      () => undefined,
    );
  const timer = setInterval(recount, recountMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  void recount();
  return { queued: () => depth, added: (events) => void (depth += events) };
}
