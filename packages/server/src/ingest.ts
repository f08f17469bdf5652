import {
  type Appended,
  type Caller,
  createBatcher,
  type JobStore,
  type NewEvent,
  StoreError,
} from "@event-ingestion/store";
import type { ServerEvent } from "./observe.ts";
import { storeStatus } from "./store-status.ts";

/** The way of events into the store. */
export interface Ingest {
  /**
   * Stores the events of one request in one commit, or answers from what is stored already when the store is full or
   * cannot write: a retry of an accepted event is answered even then.
   *
   * @throws ConnectError UNAVAILABLE with RetryInfo if one of the events is new and cannot be stored.
   */
  append(events: readonly NewEvent[], caller: Caller): Promise<Appended[]>;
  /** Stores what waits, then refuses. */
  close(): Promise<void>;
}

/** How much may wait in memory and in the queue. */
export interface IngestLimits {
  maxPendingEvents: number;
  maxPendingBytes: number;
  maxQueuedJobs: number;
}

/** Events that may be looked up at once while the store refuses new ones; beyond it requests are refused unseen. */
const maxLookups = 4_000;

/** `queued` is the number of jobs that wait in the store, as last counted. */
export function createIngest(
  store: JobStore,
  limits: IngestLimits,
  { queued, observe }: { queued: () => number; observe: (event: ServerEvent) => void },
): Ingest {
  const { maxBatch, maxBatchBytes, writers } = store.caps;
  const shared = { maxBatch, maxBatchBytes, bytesOf: ({ payload }: NewEvent) => payload.byteLength + 300 };
  const appends = createBatcher<NewEvent, Appended>({
    ...shared,
    run: async (events) => {
      const start = performance.now();
      const appended = await store.append(events);
      observe({ kind: "appended", events: events.length, durationMs: performance.now() - start });
      return appended;
    },
    concurrency: writers,
    maxPending: limits.maxPendingEvents,
    maxPendingBytes: limits.maxPendingBytes,
  });
  const lookups = createBatcher<NewEvent, Appended | null>({
    ...shared,
    run: (events) => store.lookup(events),
    concurrency: 1,
    maxPending: maxLookups,
    maxPendingBytes: limits.maxPendingBytes,
  });

  /** All or nothing: if one of the events is new, none is answered and the reason for the refusal stands. */
  const answerKnown = async (events: readonly NewEvent[], refusal: StoreError): Promise<Appended[]> => {
    const found = await lookups.submit(events).catch((): (Appended | null)[] => []);
    const known = found.filter((appended) => appended !== null);
    if (known.length < events.length) throw storeStatus(refusal);
    return known;
  };

  return {
    async append(events, caller) {
      if (queued() >= limits.maxQueuedJobs) {
        return answerKnown(events, new StoreError("notApplied", "overloaded", "the queue is full"));
      }
      try {
        return await appends.submit(events, caller);
      } catch (error) {
        if (error instanceof StoreError && error.outcome === "notApplied") return answerKnown(events, error);
        throw storeStatus(error);
      }
    },
    async close() {
      await appends.close();
      await lookups.close();
    },
  };
}
