import { type Job, type JobSource, type JobStore, type NewEvent, StoreError } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { onTestFinished } from "vitest";
import { defineHandler, type HandlerFunction } from "../handler.ts";
import type { WorkerEvent } from "../observe.ts";
import type { WorkerOptions } from "../options.ts";
import { runWorker } from "../worker.ts";

// The words that the tests of a whole worker are told in: what it does shows in the store, and in what it observes.

const policy = { workerLostLimit: 3, keepMs: { SUCCEEDED: 1e9, DEAD: 1e9, CANCELLED: 1e9 } };

/** A store whose clock can be moved, with ways to fill it and to look into it. Closed after the test. */
export async function setup() {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
  onTestFinished(() => store.close());
  let events = 0;
  const add = async (event: Partial<NewEvent> = {}): Promise<string> => {
    events++;
    const payload = new TextEncoder().encode(`payload ${events}`);
    const basis = {
      tenant: "",
      eventId: `event ${events}`,
      type: "",
      payload,
      timestamp: 1n,
      maxAttempts: 3,
    };
    const [appended] = await store.append([{ ...basis, ...event }]);
    if (appended === undefined) throw new Error("not appended");
    return appended.jobId;
  };
  const job = async (jobId: string): Promise<Job> => {
    const [found] = await store.get([jobId]);
    if (found == null) throw new Error(`no job ${jobId}`);
    return found;
  };
  /** Ends all sessions that are open now. */
  const endSessions = async (leaseMs: number): Promise<void> => {
    Atomics.add(new BigInt64Array(clockOffset), 0, BigInt(leaseMs + 1));
    await store.maintain(policy);
  };
  return { store, add, job, endSessions };
}

/** Starts a worker with one handler for everything. Stopped after the test, before its store is closed. */
export function start(source: JobSource, run: HandlerFunction, options: Partial<WorkerOptions> = {}) {
  const events: WorkerEvent[] = [];
  const watchers = new Set<() => void>();
  const stopping = new AbortController();
  const done = runWorker({
    source,
    handlers: [defineHandler("*", run)],
    retryBaseMs: 1,
    signal: stopping.signal,
    observe(event) {
      events.push(event);
      for (const watch of watchers) watch();
    },
    ...options,
  });
  const stop = () => {
    stopping.abort(new Error("stop"));
    return done;
  };
  onTestFinished(stop);
  const count = (kind: WorkerEvent["kind"]) => events.filter((event) => event.kind === kind).length;
  const settled = () => events.filter((event) => event.kind === "settled");
  /** Resolves when that many events of the kind were observed. */
  const until = (kind: WorkerEvent["kind"], times = 1): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = () => {
      if (count(kind) < times) return;
      watchers.delete(watch);
      resolve();
    };
    watchers.add(watch);
    watch();
    return promise;
  };
  return { stop, done, events, count, settled, until };
}

/** The store with some calls replaced. */
export function wrap(store: JobStore, calls: Partial<JobSource>): JobSource {
  return {
    openSession: (...args) => store.openSession(...args),
    heartbeat: (...args) => store.heartbeat(...args),
    claim: (session, max) => store.claim(session, max),
    settle: (...args) => store.settle(...args),
    closeSession: (...args) => store.closeSession(...args),
    hints: (...args) => store.hints(...args),
    ...calls,
  };
}

/** What a store with a full disk says. */
export const unavailable = (): StoreError => new StoreError("notApplied", "unavailable", "the disk is full");

/** Rejects with the reason when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const fail = () => reject(signal.reason);
  if (signal.aborted) fail();
  signal.addEventListener("abort", fail);
  return promise;
}
