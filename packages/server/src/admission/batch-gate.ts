import { maxWaitMs, type WaitingRoom } from "./waiting-room.ts";

/** Turns batches away before they are received, when the store is busy for long with those that came before. */
export interface BatchGate {
  /** A batch begins to come in. @throws ConnectError UNAVAILABLE with RetryInfo if there will be no room for it. */
  enter(): void;
  /** One has come in, with this many events. */
  arrived(events: number): void;
}

/** What `createBatchGate` takes beside the room. */
export interface BatchGateOptions {
  /** The most events that a batch may have; a batch that claims more is refused and counts as one of this size. */
  maxEvents: number;
  /** Told of each batch that is turned away. */
  refused: () => void;
  /** Default: performance.now. */
  now?: () => number;
}

/** How much the latest batch counts in the size that is expected of the next. */
const weight = 0.125;

/**
 * The size of earlier batches counts for this long after the last one came in, in ms. Without an end, a room that is smaller
 * than a usual batch would refuse every batch for ever, since only batches that come in change what is usual.
 */
const memoryMs = 1000;

/**
 * Batches that have begun to come in count as if they waited already, as large as batches lately were: to receive and decode
 * one only to refuse it then would cost as much as to accept it. `maxWaitMs` after its begin a batch counts no more: it takes
 * so long because of its client, and slow clients must not keep others out of an idle store.
 */
export function createBatchGate(
  room: Pick<WaitingRoom<never, never>, "fits" | "refuse">,
  { maxEvents, refused, now = () => performance.now() }: BatchGateOptions,
): BatchGate {
  /** When the batches that are coming in began, the oldest first. */
  const coming: number[] = [];
  let usualEvents = 0;
  let arrivedAt = now();

  return {
    enter() {
      const at = now();
      while ((coming[0] ?? at) < at - maxWaitMs) coming.shift();
      const expected = at - arrivedAt > memoryMs ? 0 : usualEvents;
      if (!room.fits((coming.length + 1) * expected)) {
        refused();
        throw room.refuse(expected);
      }
      coming.push(at);
    },
    arrived(events) {
      // Which of them does not matter: what counts is how many are still to come.
      coming.shift();
      usualEvents += weight * (Math.min(events, maxEvents) - usualEvents);
      arrivedAt = now();
    },
  };
}
