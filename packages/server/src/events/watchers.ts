import { setTimeout as sleep } from "node:timers/promises";
import type { Job, JobId, JobStore } from "@event-ingestion/store";
import { retryLater } from "../retry-info.ts";
import { storeStatus } from "../store-status.ts";

/** One caller that watches one job. */
export interface Follower {
  /**
   * The newest state of the job, if the caller has not got it yet; null: there is no such job. undefined: no change for `ms`.
   *
   * @throws ConnectError UNAVAILABLE with RetryInfo if the store cannot be read, or during a drain. The signal's reason.
   */
  next(ms: number): Promise<Job | null | undefined>;
  /** Follows no more. */
  leave(): void;
}

/** All callers that watch a job. */
export interface Watchers {
  /** Follows a job until `leave` or the abort of the signal. @throws ConnectError UNAVAILABLE when too many follow. */
  follow(jobId: JobId, signal: AbortSignal): Follower;
  /** Ends all watches, now and later, with UNAVAILABLE: the callers ask another server. */
  drain(): void;
}

/** What `createWatchers` takes beside the store. */
export interface WatchersOptions {
  /** The most watches at once. */
  maxWatchers: number;
  /** Gets the number of watches, whenever it changes. */
  changed: (watchers: number) => void;
  /** Ends all lookups. */
  signal: AbortSignal;
}

/** How often all watched jobs are looked up where other processes change jobs, in ms: their changes cause no hints. */
const sharedPollMs = 250;
/** The same for a store that hints at every change, in case a hint was lost. */
const exclusivePollMs = 5000;
/** Jobs in one call of the store. */
const maxLook = 1000;

interface Place extends Follower {
  /** The newest state, until it is given. */
  news: Job | null | undefined;
  revision: number;
  error: unknown;
  wake: () => void;
}

/**
 * A watcher is registered before its job is looked up, so it misses no change. After that, each job that the store hints at is
 * looked up, and all jobs from time to time. All watchers share the lookups: one call of the store at a time, for up to a thousand
 * jobs. A watcher keeps one state, the newest.
 */
export function createWatchers(
  store: Pick<JobStore, "caps" | "get" | "hints">,
  { maxWatchers, changed, signal }: WatchersOptions,
): Watchers {
  const places = new Map<JobId, Set<Place>>();
  const due = new Set<JobId>();
  let count = 0;
  let isLooking = false;
  let isDraining = false;

  const lookAt = (ids: Iterable<JobId>) => {
    for (const id of ids) if (places.has(id)) due.add(id);
    if (due.size === 0 || isLooking) return;
    isLooking = true;
    // After this turn of the event loop, with all that it brings.
    setImmediate(() => void look().finally(() => (isLooking = false)));
  };

  const look = async () => {
    while (due.size > 0) {
      const ids = [...due];
      due.clear();
      for (let at = 0; at < ids.length; at += maxLook) await ask(ids.slice(at, at + maxLook));
    }
  };

  const ask = async (ids: readonly JobId[]) => {
    try {
      const jobs = await store.get(ids);
      for (const [at, id] of ids.entries()) tell(places.get(id), jobs[at] ?? null);
    } catch (error) {
      for (const id of ids) end(places.get(id), storeStatus(error, "read"));
    }
  };

  const lookAtAll = () => lookAt(places.keys());
  const timer = setInterval(lookAtAll, store.caps.exclusive ? exclusivePollMs : sharedPollMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  void followHints(store, signal, (hint) => (hint === "all" ? lookAtAll() : lookAt(hint)));

  const remove = (id: JobId, place: Place) => {
    const others = places.get(id);
    if (others?.delete(place) !== true) return;
    if (others.size === 0) places.delete(id);
    changed(--count);
  };

  return {
    follow(jobId, caller) {
      if (isDraining) throw draining();
      if (count >= maxWatchers)
        throw retryLater("too many calls watch jobs; call again, or ask for the status");
      const id = jobId.toLowerCase();
      const place = createPlace(caller, () => remove(id, place));
      const others = places.get(id) ?? new Set();
      places.set(id, others.add(place));
      changed(++count);
      lookAt([id]);
      return place;
    },
    drain() {
      isDraining = true;
      for (const each of places.values()) end(each, draining());
    },
  };
}

const draining = () => retryLater("the server is shutting down; call again");

function tell(followers: Iterable<Place> = [], job: Job | null): void {
  for (const place of followers) {
    const revision = job?.revision ?? Number.POSITIVE_INFINITY;
    if (revision <= place.revision) continue;
    place.revision = revision;
    place.news = job;
    place.wake();
  }
}

function end(followers: Iterable<Place> = [], error: unknown): void {
  for (const place of followers) {
    place.error ??= error;
    place.wake();
  }
}

function createPlace(caller: AbortSignal, remove: () => void): Place {
  const place: Place = {
    news: undefined,
    revision: -1,
    error: undefined,
    wake: () => undefined,
    async next(ms) {
      if (place.news === undefined && place.error === undefined) await woken(place, ms);
      if (place.error !== undefined) throw place.error;
      const { news } = place;
      place.news = undefined;
      return news;
    },
    leave() {
      caller.removeEventListener("abort", abort);
      remove();
    },
  };
  // Frees everything on abort, because a generator that is never resumed reaches no finally.
  const abort = () => {
    remove();
    end([place], caller.reason);
  };
  caller.addEventListener("abort", abort, { once: true });
  if (caller.aborted) place.error = caller.reason;
  return place;
}

function woken(place: Place, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  place.wake = resolve;
  return promise.finally(() => clearTimeout(timer));
}

/** Marks the jobs that may have changed, until the signal aborts: after the hint "all", every one. */
async function followHints(
  store: Pick<JobStore, "hints">,
  signal: AbortSignal,
  tellOf: (jobs: readonly JobId[] | "all") => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const hint of store.hints(signal)) if (hint !== "work") tellOf(hint);
    } catch {
      // What is wrong with the store is told by every other call.
    }
    await sleep(1000, undefined, { signal, ref: false }).catch(() => undefined);
    tellOf("all");
  }
}
