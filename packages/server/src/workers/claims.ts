import { setTimeout as sleep } from "node:timers/promises";
import type { JobStore, Leased, Session } from "@event-ingestion/store";
import { retryLater } from "../retry-info.ts";

/** One worker asking for jobs. */
interface ClaimCall {
  session: Session;
  max: number;
  /** How long to wait when nothing is due; 0: not at all. */
  waitMs: number;
  /** Aborts when the caller has gone. */
  signal: AbortSignal;
}

/** Claims that wait until there is something to claim. */
export interface Claims {
  /**
   * Due jobs, at once or as soon as there are some; none when the wait is over or the drain begins.
   *
   * @throws ConnectError UNAVAILABLE once draining. StoreError. The signal's reason; nothing stays leased then.
   */
  claim(call: ClaimCall): Promise<Leased[]>;
  /** Ends all waits without jobs, and claims nothing more. */
  drain(): void;
  /** @throws ConnectError UNAVAILABLE once draining. */
  refuseIfDraining(): void;
}

/** How often every waiting claim asks without a hint: hints may be lost, and jobs of other processes cause none. */
const pollMs = 1000;
/** The most claims that wait: far more than there are workers. Each costs a few kB. */
const maxWaiting = 10_000;

/**
 * A hint wakes the caller that has waited longest; a caller that finds jobs wakes the next one. So one new event costs one or two
 * claims, however many callers wait, and a burst reaches all of them. A caller that finds none waits again, at the end of the line.
 *
 * Ends when `signal` aborts.
 */
export function createClaims(
  store: Pick<JobStore, "claim" | "settle" | "hints">,
  signal: AbortSignal,
): Claims {
  // A set keeps the order in which its members came.
  const waiting = new Set<() => void>();
  let hints = 0;
  let draining = false;

  const wakeNext = () => {
    const [longest] = waiting;
    longest?.();
  };
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };
  const poll = () => {
    hints++;
    wakeAll();
  };
  const timer = setInterval(poll, pollMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  void followWork(store, signal, () => {
    hints++;
    wakeNext();
  });

  const refuseIfDraining = () => {
    if (draining) throw retryLater("the server is shutting down; call again");
  };

  return {
    refuseIfDraining,
    async claim(call) {
      refuseIfDraining();
      if (waiting.size >= maxWaiting) throw retryLater("too many claims are waiting; call again");
      const deadline = performance.now() + call.waitMs;
      for (;;) {
        const seen = hints;
        const jobs = await lease(store, call);
        if (jobs.length > 0) wakeNext();
        const leftMs = deadline - performance.now();
        if (jobs.length > 0 || draining || leftMs <= 0) return jobs;
        // Hinted meanwhile: what the hint was about may have come too late for this claim.
        if (hints === seen) await turn(waiting, leftMs, call.signal);
        if (draining) return [];
      }
    },
    drain() {
      draining = true;
      wakeAll();
    },
  };
}

/** Nothing is leased for a caller that has gone; what was leased while it went is handed back. */
async function lease(
  store: Pick<JobStore, "claim" | "settle">,
  { session, max, signal }: ClaimCall,
): Promise<Leased[]> {
  signal.throwIfAborted();
  const jobs = await store.claim(session, max);
  if (!signal.aborted) return jobs;
  const released = jobs.map(({ jobId, attempt }) => ({ jobId, attempt, as: "release" }) as const);
  if (released.length > 0) await store.settle(session, released);
  throw signal.reason;
}

/** Resolves when it is woken, when the time is up, or when the signal aborts. */
function turn(waiting: Set<() => void>, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => {
    waiting.delete(wake);
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    resolve();
  };
  const timer = setTimeout(wake, ms);
  waiting.add(wake);
  signal.addEventListener("abort", wake);
  return promise;
}

/** Tells of work until the signal aborts. While the store gives no hints, the polls do. */
async function followWork(
  store: Pick<JobStore, "hints">,
  signal: AbortSignal,
  work: () => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const hint of store.hints(signal)) if (hint === "work") work();
    } catch {
      // What is wrong with the store is told by every other call.
    }
    await sleep(pollMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
