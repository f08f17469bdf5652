/** How fast the store takes events, as measured. */
export interface Throughput {
  /** A call with this many events begins. The function returned is to be called when it has ended. */
  begin(events: number): () => void;
  /** Events that the store takes per ms when it is busy. Before anything was measured: Infinity. */
  eventsPerMs(): number;
}

/** The weight of the latest call, if it was a full one. */
const weight = 0.25;

/** `maxBatch`: events in a full call; `writers`: calls at once. */
export function createThroughput(
  { maxBatch, writers }: { maxBatch: number; writers: number },
  now: () => number = () => performance.now(),
): Throughput {
  /** A call costs its commit, however few events are in it. So the duration of full calls decides; small ones hardly count. */
  let fullCallMs = 0;
  const underWay = new Set<{ start: number }>();

  return {
    begin(events) {
      const call = { start: now() };
      underWay.add(call);
      return () => {
        underWay.delete(call);
        fullCallMs += weight * (events / maxBatch) * (now() - call.start - fullCallMs);
      };
    },
    eventsPerMs() {
      const [oldest] = underWay;
      // A disk that has stopped answering is slow before its call has ended.
      const stalledMs = oldest === undefined ? 0 : now() - oldest.start;
      return (maxBatch * writers) / Math.max(fullCallMs, stalledMs);
    },
  };
}
