import type { JobId, JobStore, Session } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { openSqliteStore } from "./sqlite-store.ts";
import { newEvent, newEvents } from "./testing/new-event.ts";
import { tempFolder } from "./testing/temp-folder.ts";

const dayMs = 86_400_000;
const decadeMs = 3650 * dayMs;
const policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 7 * dayMs, DEAD: 30 * dayMs, CANCELLED: 7 * dayMs },
};

/** A store whose clock can be moved, and put right again. */
async function setup(url = "sqlite::memory:") {
  const clockOffset = new SharedArrayBuffer(8);
  const open = () => openSqliteStore(url, { clockOffset, reserveBytes: 0 });
  const setOffset = (ms: number) => Atomics.store(new BigInt64Array(clockOffset), 0, BigInt(ms));
  const store = await open();
  return { store, open, setOffset, session: await store.openSession("worker", 100 * decadeMs) };
}

async function accept(store: JobStore, key: string): Promise<JobId | undefined> {
  const [accepted] = await store.append([newEvent(key)]);
  return accepted?.jobId;
}

/** Runs that many of the due jobs to success. */
async function finish(store: JobStore, session: Session, count: number): Promise<JobId[]> {
  const leased = await store.claim(session, count);
  expect(leased).toHaveLength(count);
  await store.settle(
    session,
    leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" })),
  );
  return leased.map(({ jobId }) => jobId);
}

test("once a clock that was far ahead is right again, so are all times that come after", async () => {
  const { store, session, setOffset } = await setup();
  setOffset(decadeMs);
  await store.append([newEvent("early")]);
  await finish(store, session, 1);
  setOffset(0);
  const before = Date.now();
  await store.append(newEvents("later", 3));
  const [done = ""] = await finish(store, session, 1);
  const [dead, retried] = await store.claim(session, 2);
  await store.settle(session, [
    { jobId: dead?.jobId ?? "", attempt: 1, as: "dead", error: "no" },
    { jobId: retried?.jobId ?? "", attempt: 1, as: "retry", delayMs: 1000, error: "again" },
  ]);
  const jobs = await store.get([done, dead?.jobId ?? "", retried?.jobId ?? ""]);
  const after = Date.now();
  const times = jobs.map((job) => [job?.acceptedAt, job?.finishedAt ?? (job?.nextAttemptAt ?? 0) - 1000]);
  for (const time of times.flat()) {
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(after);
  }
  await store.close();
});

test("what was accepted while the clock was ahead keeps no other job from its end", async () => {
  const { store, session, setOffset } = await setup();
  setOffset(decadeMs);
  await store.append(newEvents("ahead", 600));
  setOffset(0);
  await store.append([newEvent("right")]);
  const done = await finish(store, session, 601);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  setOffset(7.1 * dayMs);
  const [young] = await store.append([newEvent("young")]);
  // The first walk goes on where it was, behind the first 500.
  expect(await store.maintain(policy)).toMatchObject({ pruned: 101, more: true });
  expect(await store.maintain(policy)).toMatchObject({ pruned: 500, more: true });
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0, more: false });
  expect((await store.get(done)).filter((job) => job !== null)).toEqual([]);
  expect(await store.get([young?.jobId ?? ""])).toMatchObject([{ state: "QUEUED" }]);
  await store.close();
});

test("a job that was accepted while the clock was a few days ahead keeps none of its neighbours from its end", async () => {
  const { store, session, setOffset } = await setup();
  await store.append([newEvent("before")]);
  setOffset(5 * dayMs);
  await store.append([newEvent("ahead")]);
  setOffset(0);
  await store.append([newEvent("after")]);
  const done = await finish(store, session, 3);
  setOffset(7.1 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 3, more: false });
  expect(await store.get(done)).toEqual([null, null, null]);
  await store.close();
});

test("jobs are listed by the time at which they were accepted, also across a clock that was put back", async () => {
  using folder = tempFolder();
  const { store: first, open, setOffset } = await setup(`sqlite:${folder.file("events.db")}`);
  const start = Date.now();
  const before = await accept(first, "before");
  setOffset(decadeMs);
  const ahead = await accept(first, "ahead");
  await first.close();
  setOffset(dayMs);
  const store = await open();
  const after = await accept(store, "after");
  setOffset(2 * dayMs);
  const last = await accept(store, "last");

  const listed = async (range: { from?: number; to?: number }) => {
    const { jobs, cursor } = await store.list({ ...range, limit: 10 });
    expect(cursor).toBeUndefined();
    return jobs.map(({ jobId }) => jobId);
  };
  expect(await listed({})).toEqual([last, after, ahead, before]);
  expect(await listed({ from: start, to: start + 2 * dayMs })).toEqual([after, before]);
  expect(await listed({ from: start + dayMs })).toEqual([last, after, ahead]);
  expect(await listed({ from: start + 2 * dayMs, to: start + 3 * dayMs })).toEqual([last]);
  expect(await listed({ from: start + decadeMs })).toEqual([ahead]);
  expect(await listed({ to: start + dayMs })).toEqual([before]);
  await store.close();
});

test("a clock that is put back a little gives out no id that sorts before an earlier one", async () => {
  const { store, setOffset } = await setup();
  const [first] = await store.append([newEvent("first")]);
  setOffset(-30_000);
  const [second] = await store.append([newEvent("second")]);
  expect(second && first && second.jobId > first.jobId).toBe(true);
  const [a, b] = await store.get([first?.jobId ?? "", second?.jobId ?? ""]);
  expect(b?.acceptedAt).toBeGreaterThanOrEqual(a?.acceptedAt ?? Infinity);
  await store.close();
});

test("jobs that were accepted while the clock was ahead are due, and before what came later", async () => {
  const { store, session, setOffset } = await setup();
  await store.append([newEvent("retried")]);
  const [retried] = await store.claim(session, 1);
  setOffset(decadeMs);
  await store.append([newEvent("ahead")]);
  setOffset(0);
  const { oldestReadyAt = Infinity, asOf } = await store.counts();
  expect(oldestReadyAt).toBeLessThanOrEqual(asOf);
  const { jobId = "", attempt = 0 } = retried ?? {};
  await store.settle(session, [{ jobId, attempt, as: "retry", delayMs: 0, error: "again" }]);
  const [next] = await store.claim(session, 1);
  expect(next?.event.eventId).toBe("ahead");
  await store.close();
});
