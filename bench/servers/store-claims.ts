// The store by itself: how long a claim takes, before and after very many jobs have finished.
import { openStore } from "@event-ingestion/app-kit/store-url";
import type { JobStore, Leased, Session } from "@event-ingestion/store";
import { answers } from "../process/probe.ts";
import { newEvents } from "./new-event.ts";

/** What was found. */
export interface Claims {
  /** Medians of claims of 100 jobs, in ms. */
  beforeMs: number;
  afterMs: number;
  /** How long it took to finish the jobs in between. */
  seconds: number;
}

const timed = { claims: 300, jobs: 100 };
const jobsAtOnce = 1000;
const leaseMs = 60_000;

answers("claims", async ({ url, finished }: { url: string; finished: number }): Promise<Claims> => {
  const store = await openStore(url);
  const session = await store.openSession("bench", leaseMs);
  await finish(store, session, 20 * jobsAtOnce);
  const beforeMs = await timeClaims(store, session);
  const start = performance.now();
  await finish(store, session, finished);
  const seconds = (performance.now() - start) / 1000;
  return { beforeMs, afterMs: await timeClaims(store, session), seconds };
});

/** Appends so many jobs, claims and settles them. */
async function finish(store: JobStore, session: Session, count: number): Promise<void> {
  for (let done = 0; done < count;) {
    await store.append(newEvents(jobsAtOnce));
    await store.heartbeat(session);
    const leased = await store.claim(session, jobsAtOnce);
    await succeed(store, session, leased);
    done += leased.length;
  }
}

async function timeClaims(store: JobStore, session: Session): Promise<number> {
  // Some are always left, so that no claim runs into the end of the queue.
  await store.append(newEvents(jobsAtOnce));
  const tookMs: number[] = [];
  for (let claim = 0; claim < timed.claims; claim++) {
    await store.append(newEvents(timed.jobs));
    const start = performance.now();
    const leased = await store.claim(session, timed.jobs);
    tookMs.push(performance.now() - start);
    if (leased.length < timed.jobs) throw new Error(`a claim found ${leased.length} of ${timed.jobs} jobs`);
    await succeed(store, session, leased);
  }
  return tookMs.toSorted((a, b) => a - b)[tookMs.length / 2] ?? Number.NaN;
}

async function succeed(store: JobStore, session: Session, leased: readonly Leased[]): Promise<void> {
  const verdicts = leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" as const }));
  await store.settle(session, verdicts);
}
