import type { ConnectError } from "@connectrpc/connect";
import { type Batcher, type Caps, createBatcher } from "@event-ingestion/store";
import { createRetryDelay } from "./retry-delay.ts";
import { createThroughput } from "./throughput.ts";
import { retryLater } from "../retry-info.ts";

/** Where events wait for the store: bounded by their number, their bytes, and the time that the store takes for them. */
export interface WaitingRoom<T, R> {
  /**
   * Lets the events of one request in, whether they fit or not, and answers with what the store answered.
   *
   * @throws StoreError as the store throws it, or notApplied/unavailable after `close`.
   */
  submit: Batcher<T, R>["submit"];
  /** Whether this many more events, of this many bytes, fit. */
  fits(events: number, bytes?: number): boolean;
  /** The answer to a request whose events do not fit. */
  refuse(events: number): ConnectError;
  /**
   * For streams, which are made to wait where others are refused: resolves when the caller may bring one more batch,
   * whether it fits or not; undefined if that is now. Streams fill half of the room, and go on in the order they came.
   */
  turn(): Promise<void> | undefined;
  /** Stores what waits, then refuses. */
  close(): Promise<void>;
}

/** What `createWaitingRoom` takes. */
export interface WaitingRoomOptions<T, R> {
  /** Stores events; one result per event, in order. */
  run: (events: readonly T[]) => Promise<R[]>;
  /** The bytes that an event counts. */
  bytesOf: (event: T) => number;
  maxPendingEvents: number;
  maxPendingBytes: number;
  /** Of the store. */
  caps: Pick<Caps, "maxBatch" | "maxBatchBytes" | "writers" | "exclusive">;
  /** Default: performance.now. */
  now?: () => number;
}

/** How long events may wait, in ms. */
export const maxWaitMs = 250;

/** At least this many full calls may wait, however slow they are: a slow disk needs a queue to stay busy. */
const minCalls = 8;

/** An empty room. */
export function createWaitingRoom<T, R>(options: WaitingRoomOptions<T, R>): WaitingRoom<T, R> {
  const { caps, maxPendingEvents, maxPendingBytes, now } = options;
  const throughput = createThroughput(caps, now);
  const retryDelay = createRetryDelay(now);
  const minEvents = minCalls * caps.maxBatch * caps.writers;
  const line: (() => void)[] = [];

  const batcher = createBatcher<T, R>({
    maxBatch: caps.maxBatch,
    maxBatchBytes: caps.maxBatchBytes,
    bytesOf: options.bytesOf,
    run: async (events) => {
      const ended = throughput.begin(events.length);
      return options.run(events).finally(() => {
        ended();
        for (const go of line.splice(0, Math.max(0, turns()))) go();
      });
    },
    concurrency: caps.writers,
    // A store that is shared is reached over a network: a call would wait for a connection while its deadline runs.
    early: caps.exclusive,
    // The bound is the waiting room, which lets streams wait instead of refusing them.
    maxPending: Number.POSITIVE_INFINITY,
    maxPendingBytes: Number.POSITIVE_INFINITY,
  });

  const { pending } = batcher;
  const maxEvents = () =>
    Math.min(maxPendingEvents, Math.max(minEvents, maxWaitMs * throughput.eventsPerMs()));

  /** How many streams may bring a batch. */
  const turns = () => {
    const { items, bytes } = pending;
    // A stream whose turn it is may have nothing to bring: with nothing waiting there might never be a call again.
    if (items === 0) return line.length + 1;
    if (bytes > maxPendingBytes / 2) return 0;
    return Math.ceil((maxEvents() / 2 - items) / caps.maxBatch);
  };

  return {
    submit: (events, caller) => batcher.submit(events, caller),
    close: () => batcher.close(),
    fits(events, bytes = 0) {
      return pending.items + events <= maxEvents() && pending.bytes + bytes <= maxPendingBytes;
    },
    refuse(events) {
      const message = "the service is full, nothing was stored; retry with the same event_id";
      return retryLater(message, retryDelay(events, throughput.eventsPerMs()));
    },
    turn() {
      if (line.length === 0 && turns() > 0) return undefined;
      return new Promise((resolve) => line.push(resolve));
    },
  };
}
