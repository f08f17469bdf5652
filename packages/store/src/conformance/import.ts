import { expect } from "vitest";
import { type JobId, type JobStore, revision, type StoredJob } from "../job-store.ts";
import type { Case, Engine } from "./case.ts";
import {
  accept,
  append,
  bytes,
  detailOf,
  endings,
  expectInvalid,
  jobOf,
  keepAll,
  longMs,
  maintainAll,
  newEvent,
  nowOf,
  only,
  take,
  verdictOn,
} from "./steps.ts";

/** Jobs that come from another store. */
export function importCases(check: Case): void {
  const checkImport = check.extend<Pick<Engine, "store">>({
    store: ({ engine: { store }, skip }, use) => {
      skip(store.importJobs === undefined, "nothing can be moved into this store");
      return use(store);
    },
  });

  checkImport("V5 jobs of every state arrive as they left", async ({ store }) => {
    const jobs = jobsOfEveryState(await nowOf(store));
    await importJobs(store, jobs);
    const details = await Promise.all(jobs.map(({ jobId }) => detailOf(store, jobId)));
    expect(details).toEqual(
      jobs.map(({ budget: _budget, losses: _losses, trace: _trace, ...detail }) => detail),
    );
    const byState = { QUEUED: 4, RUNNING: 0, SUCCEEDED: 1, DEAD: 1, CANCELLED: 1 };
    expect(await store.counts()).toMatchObject({ byState, scheduled: 2 });
    const { jobs: listed } = await store.list({ limit: 10 });
    expect(listed.map(({ jobId }) => jobId)).toEqual(jobs.map(({ jobId }) => jobId).toReversed());
    if (store.exportJobs !== undefined) expect(await store.exportJobs(undefined, 10)).toEqual(jobs);
  });

  checkImport("V6 their keys are known: a duplicate has the first id", async ({ store }) => {
    const { jobId, eventId, payload } = await importFresh(store, 1);
    const event = newEvent({ eventId, payload });
    expect(await append(store, event)).toEqual({ outcome: "DUPLICATE", jobId });
    expect(await append(store, { ...event, payload: bytes("x") })).toEqual({ outcome: "CONFLICT", jobId });
    expect(await store.find("", [eventId])).toEqual([jobId]);
  });

  checkImport("V7 they go on where they were", async ({ store }) => {
    const acceptedAt = (await nowOf(store)) - 60_000;
    const due = { acceptedAt, nextAttemptAt: acceptedAt };
    const fresh = stored(1, { acceptedAt });
    const spent = stored(2, { ...due, attempts: 2, maxAttempts: 3, budget: 5 });
    const suspect = stored(3, { acceptedAt, attempts: 2, losses: 2 });
    const scheduled = stored(4, { acceptedAt, nextAttemptAt: acceptedAt + longMs });
    const handedBack = stored(5, { acceptedAt, attempts: 1, maxAttempts: 13 });
    await importJobs(store, [fresh, spent, suspect, scheduled, handedBack]);

    const session = await store.openSession("worker", longMs);
    expect(await store.claim(session, 10)).toMatchObject([{ jobId: suspect.jobId, attempt: 3 }]);
    await store.settle(session, [verdictOn(suspect.jobId, endings.SUCCEEDED, 3)]);
    const leased = await store.claim(session, 10);
    expect(new Map(leased.map(({ jobId, attempt }) => [jobId, attempt]))).toEqual(
      new Map([
        [fresh.jobId, 1],
        [spent.jobId, 3],
        [handedBack.jobId, 2],
      ]),
    );
    await store.settle(session, [verdictOn(spent.jobId, { as: "retry", delayMs: 0, error: "again" }, 3)]);
    expect(await jobOf(store, spent.jobId)).toMatchObject({ state: "DEAD", attempts: 3 });
    await store.redrive([spent.jobId]);
    expect(await jobOf(store, spent.jobId)).toMatchObject({ state: "QUEUED", maxAttempts: 8 });
  });

  checkImport("V8 what is there already is left alone", async ({ store }) => {
    const first = await importFresh(store, 1);
    const session = await store.openSession("worker", longMs);
    await take(store, session);
    await store.settle(session, [verdictOn(first.jobId, endings.SUCCEEDED)]);
    const second = stored(2, { acceptedAt: first.acceptedAt });
    await importJobs(store, [first, second]);
    await importJobs(store, [second, first]);
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, SUCCEEDED: 1 });
    expect(await jobOf(store, first.jobId)).toMatchObject({ state: "SUCCEEDED" });
  });

  checkImport("V9 a RUNNING job, or a key of another job, refuses the whole batch", async ({ store }) => {
    const event = newEvent();
    await append(store, event);
    const acceptedAt = (await nowOf(store)) + 1;
    const good = stored(50, { acceptedAt });
    const running = stored(51, { acceptedAt, state: "RUNNING", attempts: 1 });
    const taken = stored(52, { acceptedAt, eventId: event.eventId });
    await expectInvalid(importJobs(store, [good, running]));
    await expectInvalid(importJobs(store, [good, taken]));
    expect(await store.get([good.jobId])).toEqual([null]);
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, RUNNING: 0 });
  });

  checkImport("V10 later events come after them, and retention finds them", async ({ store, elapse }) => {
    const acceptedAt = (await nowOf(store)) - 60_000;
    const done = { acceptedAt, attempts: 1, finishedAt: acceptedAt };
    await importJobs(store, [
      stored(1, { ...done, state: "SUCCEEDED" }),
      stored(2, { ...done, state: "DEAD" }),
    ]);
    const later = await accept(store);
    expect(later > stored(2, done).jobId).toBe(true);
    await elapse();
    await maintainAll(store, { ...keepAll, keepMs: { ...keepAll.keepMs, SUCCEEDED: 1 } });
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, SUCCEEDED: 0, DEAD: 1 });
    expect(only(await store.claim(await store.openSession("worker", longMs), 10)).jobId).toBe(later);
  });
}

async function importJobs(store: JobStore, jobs: readonly StoredJob[]): Promise<void> {
  if (store.importJobs === undefined) throw new Error("this store imports nothing");
  await store.importJobs(jobs);
}

async function importFresh(store: JobStore, number: number): Promise<StoredJob> {
  const job = stored(number, { acceptedAt: (await nowOf(store)) - 60_000 });
  await importJobs(store, [job]);
  return job;
}

function jobsOfEveryState(now: number): StoredJob[] {
  const acceptedAt = now - 60_000;
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const finishedAt = now - 1000;
  const errors = [
    { attempt: 1, at: acceptedAt + 10, error: "first" },
    { attempt: 2, at: acceptedAt + 20, error: "second" },
  ];
  const retrying = { attempts: 2, losses: 1, budget: 3, maxAttempts: 5, errors, nextAttemptAt: now + longMs };
  return [
    stored(1, { acceptedAt, payload: new Uint8Array([0, 255, 1]), type: "" }),
    stored(2, { acceptedAt, trace, nextAttemptAt: now + longMs }),
    stored(3, { acceptedAt, tenant: "t2", timestamp: -5n, ...retrying }),
    stored(4, { acceptedAt, attempts: 1, maxAttempts: 13, nextAttemptAt: now - 500 }),
    stored(5, { acceptedAt, state: "SUCCEEDED", attempts: 1, finishedAt, result: new Uint8Array([0, 1]) }),
    stored(6, { acceptedAt, state: "DEAD", attempts: 2, finishedAt, errors }),
    stored(7, { acceptedAt, state: "CANCELLED", finishedAt, timestamp: 2n ** 63n - 1n }),
  ];
}

/** The job with that number among those of a case; ids sort by instant and number. */
function stored(number: number, given: Partial<StoredJob> & { acceptedAt: number }): StoredJob {
  const job = {
    jobId: idOf(given.acceptedAt, number),
    tenant: "",
    eventId: `imported-${number}`,
    type: "test",
    timestamp: 1n,
    state: "QUEUED" as const,
    attempts: 0,
    maxAttempts: 12,
    budget: 12,
    losses: 0,
    cancelRequested: false,
    payload: bytes(`payload ${number}`),
    errors: [],
    ...given,
  };
  const lastError = job.errors.at(-1)?.error;
  return { ...job, ...(lastError !== undefined && { lastError }), revision: revision(job) };
}

/** The layout that a store can number its jobs by: 48 bits of time, version, 40 bits of number, 22 random ones. */
function idOf(at: number, number: number): JobId {
  const time = at.toString(16).padStart(12, "0");
  const tail = (number * 2 ** 22 + 7).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${tail}`;
}
