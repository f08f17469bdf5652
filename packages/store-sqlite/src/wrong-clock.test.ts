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

/** A store whose wall clock can be set wrong, and right again. `pass` lets time go by. */
async function setup(url = "sqlite::memory:", offset = 0) {
  const clockOffset = new SharedArrayBuffer(16);
  const offsets = new BigInt64Array(clockOffset);
  const open = () => openSqliteStore(url, { clockOffset, reserveBytes: 0 });
  const setOffset = (ms: number) => Atomics.store(offsets, 1, BigInt(ms));
  const pass = (ms: number) => Atomics.add(offsets, 0, BigInt(ms));
  setOffset(offset);
  const store = await open();
  return { store, open, setOffset, pass, session: await store.openSession("worker", 100 * decadeMs) };
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
  const { store, session, setOffset, pass } = await setup();
  setOffset(decadeMs);
  await store.append(newEvents("ahead", 600));
  setOffset(0);
  await store.append([newEvent("right")]);
  const done = await finish(store, session, 601);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  pass(7.1 * dayMs);
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
  const { store, session, setOffset, pass } = await setup();
  await store.append([newEvent("before")]);
  setOffset(5 * dayMs);
  await store.append([newEvent("ahead")]);
  setOffset(0);
  await store.append([newEvent("after")]);
  const done = await finish(store, session, 3);
  pass(7.1 * dayMs);
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

test("a clock that is ahead for a while ends nothing early", async () => {
  const { store, session, setOffset, pass } = await setup();
  const event = newEvent("done");
  await store.append([event]);
  const [jobId = ""] = await finish(store, session, 1);
  for (const offset of [8 * dayMs, decadeMs, 0]) {
    setOffset(offset);
    expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
    expect(await store.append([event])).toEqual([{ outcome: "DUPLICATE", jobId }]);
  }
  pass(6.9 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  pass(0.2 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 1 });
  await store.close();
});

test("what ended while the clock was ahead, or behind, is kept as long as everything else", async () => {
  const { store, session, setOffset, pass } = await setup();
  await store.append(newEvents("job", 3));
  for (const offset of [decadeMs, -decadeMs, 0]) {
    setOffset(offset);
    await finish(store, session, 1);
  }
  pass(6.9 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  pass(0.2 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 3 });
  await store.close();
});

test("a machine that starts in 1970 and is put right keeps what it finished before", async () => {
  const { store, session, setOffset, pass } = await setup("sqlite::memory:", -Date.now());
  await store.append(newEvents("job", 2));
  const [first = ""] = await finish(store, session, 1);
  const [before] = await store.get([first]);
  setOffset(0);
  await finish(store, session, 1);
  pass(6.9 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  expect(await store.get([first])).toEqual([before]);
  pass(0.2 * dayMs);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 2 });
  await store.close();
});

test("time goes by while the store is closed, but not by the wall clock alone", async () => {
  using folder = tempFolder();
  const { store: first, session, open, setOffset, pass } = await setup(`sqlite:${folder.file("events.db")}`);
  await first.append([newEvent("done")]);
  await finish(first, session, 1);
  await first.close();
  // The clock was set, or the machine was off: nobody knows which.
  setOffset(30 * dayMs);
  pass(3 * dayMs);
  const second = await open();
  pass(3 * dayMs);
  expect(await second.maintain(policy)).toMatchObject({ pruned: 0 });
  await second.close();
  setOffset(-30 * dayMs);
  const third = await open();
  pass(0.9 * dayMs);
  expect(await third.maintain(policy)).toMatchObject({ pruned: 0 });
  await third.close();
  pass(0.2 * dayMs);
  const last = await open();
  expect(await last.maintain(policy)).toMatchObject({ pruned: 1 });
  await last.close();
});

test("a store that is moved to a machine that runs for longer takes none of its uptime for its own", async () => {
  using folder = tempFolder();
  const { store: first, session, open, setOffset, pass } = await setup(`sqlite:${folder.file("events.db")}`);
  await first.append([newEvent("done")]);
  await finish(first, session, 1);
  await first.close();
  pass(300 * dayMs);
  setOffset(-300 * dayMs + 60_000);
  const second = await open();
  expect(await second.maintain(policy)).toMatchObject({ pruned: 0 });
  await second.close();
});

const delayMs = 3_000_000;

/** A job that waits for its retry. */
async function putOff(store: JobStore, session: Session): Promise<JobId> {
  const jobId = (await accept(store, "put-off")) ?? "";
  expect(await store.claim(session, 1)).toMatchObject([{ jobId }]);
  await store.settle(session, [{ jobId, attempt: 1, as: "retry", delayMs, error: "later" }]);
  return jobId;
}

test.for([decadeMs, -decadeMs, 3_600_000, -3_600_000])(
  "a retry waits for its delay, whether the clock is set by %i ms or not",
  async (offset) => {
    const { store, session, setOffset, pass } = await setup();
    const jobId = await putOff(store, session);
    setOffset(offset);
    pass(0.9 * delayMs);
    expect(await store.claim(session, 1)).toEqual([]);
    expect(await store.counts()).toMatchObject({ scheduled: 1 });
    pass(0.1 * delayMs);
    expect((await store.counts()).scheduled).toBe(0);
    expect(await store.claim(session, 1)).toMatchObject([{ jobId, attempt: 2 }]);
    await store.close();
  },
);

test("what was due stays due when the clock is put back, and in its order", async () => {
  const { store, session, setOffset } = await setup();
  await store.append(newEvents("job", 2));
  for (const { jobId } of await store.claim(session, 2)) {
    await store.settle(session, [{ jobId, attempt: 1, as: "release" }]);
  }
  setOffset(-decadeMs);
  const { scheduled, oldestReadyAt = Infinity, asOf } = await store.counts();
  expect(scheduled).toBe(0);
  expect(oldestReadyAt).toBeLessThanOrEqual(asOf);
  expect((await store.claim(session, 2)).map(({ event }) => event.eventId)).toEqual(["job-0", "job-1"]);
  await store.close();
});

test("an event that is to be processed after an instant waits for that instant", async () => {
  const { store, session, setOffset } = await setup();
  const runAt = Date.now() + dayMs;
  const [accepted] = await store.append([newEvent("at", { runAt })]);
  setOffset(-dayMs);
  expect(await store.claim(session, 1)).toEqual([]);
  setOffset(dayMs + 1);
  expect(await store.get([accepted?.jobId ?? ""])).toMatchObject([{ nextAttemptAt: runAt }]);
  expect(await store.claim(session, 1)).toMatchObject([{ attempt: 1 }]);
  await store.close();
});

test.for([-decadeMs, -3_600_000, decadeMs])(
  "opened again with a clock that was set by %i ms, no retry waits for longer than its delay",
  async (offset) => {
    using folder = tempFolder();
    const {
      store: first,
      session,
      open,
      setOffset,
      pass,
    } = await setup(`sqlite:${folder.file("events.db")}`);
    const jobId = await putOff(first, session);
    await first.close();
    setOffset(offset);
    const store = await open();
    pass(delayMs);
    const next = await store.openSession("next", decadeMs);
    expect(await store.claim(next, 1)).toMatchObject([{ jobId, attempt: 2 }]);
    await store.close();
  },
);

test("work is hinted when a delay is over, without any call, though the clock was put back", async () => {
  const { store, session, setOffset } = await setup();
  await store.append([newEvent("a")]);
  const [leased] = await store.claim(session, 1);
  const jobId = leased?.jobId ?? "";
  await store.settle(session, [{ jobId, attempt: 1, as: "retry", delayMs: 300, error: "later" }]);
  // What that hinted is heard before the answer to this.
  await store.counts();
  setOffset(-decadeMs);
  const hints = store.hints(AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
  expect(await hints.next()).toEqual({ done: false, value: "work" });
  expect(await store.claim(session, 1)).toMatchObject([{ jobId, attempt: 2 }]);
  await store.close();
});

test("no lease ends early or late because the clock is set", async () => {
  const { store, setOffset, pass } = await setup();
  await store.append([newEvent("a")]);
  const session = await store.openSession("worker", 60_000);
  await store.claim(session, 1);
  for (const offset of [decadeMs, -decadeMs]) {
    setOffset(offset);
    expect(await store.maintain(policy)).toMatchObject({ requeued: 0, died: 0 });
    expect(await store.heartbeat(session)).toMatchObject({ lost: false });
  }
  pass(60_000);
  expect(await store.maintain(policy)).toMatchObject({ requeued: 1 });
  await store.close();
});
