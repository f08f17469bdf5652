import type { JobStore, StoreError } from "@event-ingestion/store";

const firstProbeMs = 100;
const maxProbeMs = 2000;
/** A probe may find space that an append does not, so after a full disk the next try is not so soon. */
const stalledMs = 3000;
/** After so long a failure is a new one, and the delays begin anew. */
const calmMs = 30_000;

/**
 * Whether the database can be used:
 * - open: everything runs. Left when no connection can be made, or the disk of the server is full.
 * - stalled: the disk is full. Appends are refused, the rest is tried.
 * - closed: no connection can be made, or only to a server that would not keep what was promised. Everything is refused.
 *
 * Stalled and closed are left when a probe has made a connection and committed on it. Probes begin at once and come ever
 * less often, so a database that is down is not pressed, and refused calls cost it nothing.
 */
export interface Availability {
  readonly health: JobStore["health"];
  /** @throws StoreError what closed it, for appends also what stalled it */
  check: (lane: Lane) => void;
  /** A connection broke: finds out whether that was the only one. */
  doubt: () => void;
  /** Draws the consequences of an error that is not one call's alone. */
  fail: (kind: "stalled" | "closed", reason: StoreError) => void;
  /** Stops the probes. */
  end: () => void;
}

/** What calls do. */
export type Lane = "append" | "other";

/** `probe` resolves with why the database cannot be used; undefined: it can. */
export function createAvailability(probe: () => Promise<StoreError | undefined>): Availability {
  let state: { kind: "open" } | { kind: "stalled" | "closed"; reason: StoreError } = { kind: "open" };
  let delayMs = firstProbeMs;
  let openedAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const enter = (kind: "stalled" | "closed", reason: StoreError) => {
    if (state.kind === "open" && performance.now() - openedAt > calmMs) delayMs = firstProbeMs;
    if (state.kind !== "closed") state = { kind, reason };
    tryIn(kind === "stalled" ? stalledMs : delayMs);
  };
  const tryIn = (ms: number) => {
    if (!ended) timer ??= setTimeout(tryNow, ms);
  };
  const tryNow = async () => {
    delayMs = Math.min(2 * delayMs, maxProbeMs);
    const reason = await probe();
    timer = undefined;
    if (reason !== undefined) {
      state = { kind: "closed", reason };
      return tryIn(delayMs);
    }
    if (state.kind !== "open") openedAt = performance.now();
    state = { kind: "open" };
  };

  return {
    get health() {
      return state.kind === "open" ? { writable: true } : { writable: false, reason: state.reason.message };
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
