import { maxWaitMs, type WaitingRoom } from "./waiting-room.ts";

/** Refuses batches before they are received, when the store will be busy for too long with earlier ones. */
export interface BatchGate {
  /** Begins to receive a batch. @throws ConnectError UNAVAILABLE with RetryInfo if there will be no room for it. */
  enter(): void;
  /** Ends receiving a batch, which has this many events. */
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

/** The weight of the latest batch in the expected size of the next one. */
const weight = 0.125;

/**
 * The size of earlier batches counts for this long after the last one came in, in ms. Without an end, a room that is smaller
 * than a usual batch would refuse every batch for ever, since only batches that come in change what is usual.
 */
const memoryMs = 1000;

/**
 * Batches that are being received count as if they waited already, each as large as recent batches: receiving and decoding a
 * batch only to refuse it would cost as much as accepting it. A batch counts for `maxWaitMs` only. If it takes longer, its
 * client is slow, and slow clients must not keep others out of an idle store.
 */
export function createBatchGate(
  room: Pick<WaitingRoom<never, never>, "fits" | "refuse">,
  { maxEvents, refused, now = () => performance.now() }: BatchGateOptions,
): BatchGate {
  /** When each batch that is being received began, the oldest first. */
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
      // Any of them may be removed: only their number counts.
      coming.shift();
      usualEvents += weight * (Math.min(events, maxEvents) - usualEvents);
      arrivedAt = now();
    },
  };
}
