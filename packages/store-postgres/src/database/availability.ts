import type { JobStore, StoreError } from "@event-ingestion/store";

const firstProbeMs = 100;
const maxProbeMs = 2000;
/** The delay of the next try after a full disk: a probe may find space where an append finds none. */
const stalledMs = 3000;
/** A failure that comes later than this after the last one is a new one: the delays start again. */
const calmMs = 30_000;

/**
 * Whether the database can be used:
 * - open: everything runs.
 * - crowded: no further connection can be made, mostly because the server has no room for one. Everything runs over the existing
 *   ones.
 * - stalled: the disk of the server is full. Appends are refused, all other calls are tried.
 * - closed: there is no connection and none can be made, or only to a server that would break a promise. Everything is refused.
 *
 * A probe makes a connection and commits on it or, if none can be made, commits on one that is there. What it
 * finds is the next state. Probes begin at once and come ever less often, so a database that is down is not pressed, and
 * refused calls cost it nothing.
 */
export interface Availability {
  readonly health: JobStore["health"];
  readonly isCrowded: boolean;
  /** @throws StoreError what closed it, for appends also what stalled it */
  check: (lane: Lane) => void;
  /** A connection broke: finds out whether that was the only one. */
  doubt: () => void;
  /** Draws the consequences of an error that is not one call's alone. */
  fail: (kind: Trouble["kind"], reason: StoreError) => void;
  /** Stops the probes. */
  end: () => void;
}

/** What calls do. */
export type Lane = "append" | "other";

/** A state other than open, and why. */
interface Trouble {
  kind: "crowded" | "stalled" | "closed";
  reason: StoreError;
}

/** What a probe found. "undecided": nothing new. */
export type Finding = { kind: "open" } | { kind: "undecided" } | Trouble;

const ranks: Record<Trouble["kind"] | "open", number> = { open: 0, crowded: 1, stalled: 2, closed: 3 };

/** An open database, until something fails. */
export function createAvailability(probe: () => Promise<Finding>): Availability {
  let state: { kind: "open" } | Trouble = { kind: "open" };
  let delayMs = firstProbeMs;
  let openedAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const enter = (kind: Trouble["kind"], reason: StoreError) => {
    if (state.kind === "open" && performance.now() - openedAt > calmMs) delayMs = firstProbeMs;
    if (state.kind !== "closed" && ranks[kind] >= ranks[state.kind]) state = { kind, reason };
    tryIn(kind === "stalled" ? stalledMs : delayMs);
  };
  const tryIn = (ms: number) => {
    if (!ended) timer ??= setTimeout(tryNow, ms);
  };
  const tryNow = async () => {
    delayMs = Math.min(2 * delayMs, maxProbeMs);
    const found = await probe();
    timer = undefined;
    if (found.kind === "open" && state.kind !== "open") openedAt = performance.now();
    if (found.kind !== "undecided") state = found;
    if (state.kind !== "open") tryIn(delayMs);
  };

  return {
    get health() {
      if (state.kind === "open") return { writable: true };
      return { writable: state.kind === "crowded", reason: state.reason.message };
    },
    get isCrowded() {
      return state.kind === "crowded";
    },
    check(lane) {
      if (state.kind === "closed" || (state.kind === "stalled" && lane === "append")) throw state.reason;
    },
    doubt: () => tryIn(0),
    fail: enter,
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
