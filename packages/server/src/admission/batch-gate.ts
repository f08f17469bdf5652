import { maxWaitMs, type WaitingRoom } from "./waiting-room.ts";

/** Turns batches away before they are received, when the store is busy for long with those that came before. */
export interface BatchGate {
  /** A batch begins to come in. @throws ConnectError UNAVAILABLE with RetryInfo if there will be no room for it. */
  enter(): void;
  /** One has come in, with so many events. */
  arrived(events: number): void;
}

/** What `createBatchGate` takes beside the room. */
export interface BatchGateOptions {
  /** Told of each batch that is turned away. */
  refused: () => void;
  /** Default: performance.now. */
  now?: () => number;
}

/** How much the latest batch counts in the size that is expected of the next. */
const weight = 0.125;

/**
 * Those that have begun to come in count as if they waited already, as large as batches lately were: to receive and decode
 * what is refused then would cost as much as to accept it. `maxWaitMs` after its begin a batch counts no more: it takes so
 * long because of its client, and clients that are slow must not keep others out of an idle store.
 */
export function createBatchGate(
  room: Pick<WaitingRoom, "fits" | "refuse">,
  { refused, now = () => performance.now() }: BatchGateOptions,
): BatchGate {
  /** When those that are coming in began, the oldest first. */
  const coming: number[] = [];
  let usualEvents = 0;

  return {
    enter() {
      const at = now();
      while ((coming[0] ?? at) < at - maxWaitMs) coming.shift();
      if (!room.fits((coming.length + 1) * usualEvents)) {
        refused();
        throw room.refuse(usualEvents);
      }
      coming.push(at);
    },
    arrived(events) {
      // Which of them does not matter: what counts is how many are still to come.
      coming.shift();
      usualEvents += weight * (events - usualEvents);
    },
  };
}
