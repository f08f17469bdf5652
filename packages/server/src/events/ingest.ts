import {
  type Appended,
  type Caller,
  createBatcher,
  type JobStore,
  type NewEvent,
  StoreError,
} from "@event-ingestion/store";
import { createRetryDelay } from "../admission/retry-delay.ts";
import type { ServerEvent } from "../observe.ts";
import type { QueueDepth } from "../admission/queue-depth.ts";
import { retryLater } from "../retry-info.ts";
import { storeStatus } from "../store-status.ts";
import { createWaitingRoom, type WaitingRoom } from "../admission/waiting-room.ts";

/** The way of events into the store. */
export interface Ingest {
  /**
   * Stores the events of one request in one commit, or answers from what is stored already when the store is full or
   * cannot write: a retry of an accepted event is answered even then.
   *
   * @throws ConnectError UNAVAILABLE with RetryInfo if one of the events is new and cannot be stored.
   */
  append(events: readonly NewEvent[], caller: Caller, whenFull?: WhenFull): Promise<Appended[]>;
  /** Where they wait. */
  room: Pick<WaitingRoom<NewEvent, Appended>, "fits" | "refuse" | "turn">;
  /** Stores what waits, then refuses. */
  close(): Promise<void>;
}

/** What becomes of events that do not fit into the room. "wait" is for those whose turn it is. */
export type WhenFull = "refuse" | "wait";

/** How much may wait in memory and in the queue. */
export interface IngestLimits {
  maxPendingEvents: number;
  maxPendingBytes: number;
  maxQueuedJobs: number;
}

/** Events that may be looked up at once while the store refuses new ones; beyond it requests are refused unseen. */
const maxLookups = 4_000;

/** The way of events into `store`. */
export function createIngest(
  store: JobStore,
  limits: IngestLimits,
  { depth, observe }: { depth: QueueDepth; observe: (event: ServerEvent) => void },
): Ingest {
  const room = createWaitingRoom<NewEvent, Appended>({
    ...limits,
    bytesOf,
    caps: store.caps,
    run: async (events) => {
      const start = performance.now();
      const appended = await store.append(events);
      depth.added(appended.filter(({ outcome }) => outcome === "ACCEPTED").length);
      observe({ kind: "appended", events: events.length, durationMs: performance.now() - start });
      return appended;
    },
  });
  const lookups = createBatcher<NewEvent, Appended | null>({
    maxBatch: store.caps.maxBatch,
    maxBatchBytes: store.caps.maxBatchBytes,
    bytesOf,
    run: (events) => store.lookup(events),
    concurrency: 1,
    maxPending: maxLookups,
    maxPendingBytes: limits.maxPendingBytes,
  });
  const untilQueued = createRetryDelay();
  const refuseFullQueue = (events: number) =>
    retryLater(
      "the queue is full, nothing was stored; retry with the same event_id",
      untilQueued(events, depth.leavingPerMs()),
    );

  /** All or nothing: if one of the events is new, none is answered and the refusal stands. */
  const answerKnown = async (
    events: readonly NewEvent[],
    refusal: (events: number) => unknown,
  ): Promise<Appended[]> => {
    const found = await lookups.submit(events).catch((): (Appended | null)[] => []);
    const known = found.filter((appended) => appended !== null);
    if (known.length < events.length) throw refusal(events.length);
    return known;
  };

  return {
    room,
    // Not async, like what calls it: each such function is a hundredth of a call.
    append(events, caller, whenFull = "refuse") {
      if (depth.queued() >= limits.maxQueuedJobs) return answerKnown(events, refuseFullQueue);
      if (whenFull === "refuse" && !room.fits(events.length, sumOfBytes(events)))
        return answerKnown(events, (count) => room.refuse(count));
      return room.submit(events, caller).catch((error: unknown) => {
        if (error instanceof StoreError && error.outcome === "notApplied")
          return answerKnown(events, () => storeStatus(error, "append"));
        throw storeStatus(error, "append");
      });
    },
    async close() {
      await room.close();
      await lookups.close();
    },
  };
}

/** About what an event takes beside its payload. */
const eventBytes = 300;

function bytesOf({ payload }: NewEvent): number {
  return payload.byteLength + eventBytes;
}

function sumOfBytes(events: readonly NewEvent[]): number {
  return events.reduce((sum, event) => sum + bytesOf(event), 0);
}
