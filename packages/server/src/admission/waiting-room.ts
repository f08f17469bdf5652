import type { ConnectError } from "@connectrpc/connect";
import type { Batcher, Caps } from "@event-ingestion/store";
import { createRetryDelay } from "./retry-delay.ts";
import { createThroughput } from "./throughput.ts";
import { retryLater } from "../retry-info.ts";

/** Where events wait for the store: bounded by their number, their bytes, and the time that the store takes for them. */
export interface WaitingRoom {
  /** Whether so many more fit. */
  fits(events: number, bytes?: number): boolean;
  /** The answer to who brings so many that do not fit. */
  refuse(events: number): ConnectError;
  /**
   * For streams, which are made to wait where others are refused: resolves when the caller may bring one more batch,
   * whether it fits or not; undefined if that is now. Streams fill half of the room, and go on in the order they came.
   */
  turn(): Promise<void> | undefined;
  /** So many events have left for the store; what is returned is called when it has answered, or failed. */
  leave(events: number): () => void;
}

/** What `createWaitingRoom` takes. */
export interface WaitingRoomOptions {
  maxPendingEvents: number;
  maxPendingBytes: number;
  caps: Pick<Caps, "maxBatch" | "writers">;
  /** What waits. */
  pending: Batcher<unknown, unknown>["pending"];
  /** Default: performance.now. */
  now?: () => number;
}

/** How long events may wait, in ms. */
export const maxWaitMs = 250;

/** So many full calls may wait even if they take longer: a slow disk needs them to be busy. */
const minCalls = 8;

/** An empty one. */
export function createWaitingRoom(options: WaitingRoomOptions): WaitingRoom {
  const { maxPendingEvents, maxPendingBytes, pending } = options;
  const { maxBatch, writers } = options.caps;
  const pace = createThroughput(options.caps, options.now);
  const comeback = createRetryDelay(options.now);
  const minEvents = minCalls * maxBatch * writers;
  const line: (() => void)[] = [];

  const maxEvents = () => Math.min(maxPendingEvents, Math.max(minEvents, maxWaitMs * pace.eventsPerMs()));
  /** How many streams may bring a batch. */
  const turns = () => {
    const { items, bytes } = pending;
    // Whose turn it is may have nothing to bring: without anything that waits there might never be a call again.
    if (items === 0) return line.length + 1;
    if (bytes > maxPendingBytes / 2) return 0;
    return Math.ceil((maxEvents() / 2 - items) / maxBatch);
  };

  return {
    fits(events, bytes = 0) {
      return pending.items + events <= maxEvents() && pending.bytes + bytes <= maxPendingBytes;
    },
    refuse(events) {
      const message = "the service is full, nothing was stored; retry with the same event_id";
      return retryLater(message, comeback(events, pace.eventsPerMs()));
    },
    turn() {
      if (line.length === 0 && turns() > 0) return undefined;
      return new Promise((resolve) => line.push(resolve));
    },
    leave(events) {
      const ended = pace.begin(events);
      return () => {
        ended();
        for (const go of line.splice(0, Math.max(0, turns()))) go();
      };
    },
  };
}
