import type { JobDetail, JobId, JobStore, NewEvent } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, onTestFinished, test } from "vitest";
import { copyStore, CopyError } from "./copy-store.ts";

async function openStore(): Promise<JobStore> {
  const store = await openSqliteStore("sqlite::memory:");
  onTestFinished(() => store.close());
  return store;
}

const event = (eventId: string): NewEvent => ({
  tenant: "",
  eventId,
  type: "test",
  payload: new TextEncoder().encode(eventId),
  timestamp: 1n,
  maxAttempts: 3,
});

async function append(store: JobStore, names: string[]): Promise<JobId[]> {
  return (await store.append(names.map(event))).map(({ jobId }) => jobId);
}

/** All jobs in all detail, oldest first. */
async function details(store: JobStore): Promise<JobDetail[]> {
  const { jobs } = await store.list({ limit: 1000 });
  const all = await Promise.all(jobs.toReversed().map(({ jobId }) => store.getDetail(jobId)));
  return all.filter((job) => job !== null);
}

const quiet = { signal: new AbortController().signal, progress: () => {} };

test("jobs arrive with their ids, states, attempts, errors and results", async () => {
  const [from, to] = [await openStore(), await openStore()];
  const [queued = "", retried = "", done = "", dead = ""] = await append(from, ["a", "b", "c", "d"]);
  const session = await from.openSession("worker", 60_000);
  await from.claim(session, 4);
  await from.settle(session, [
    { jobId: queued, attempt: 1, as: "release" },
    { jobId: retried, attempt: 1, as: "retry", delayMs: 60_000, error: "later" },
    { jobId: done, attempt: 1, as: "succeeded", result: new Uint8Array([1, 2]) },
    { jobId: dead, attempt: 1, as: "dead", error: "broken" },
  ]);
  const [cancelled = ""] = await append(from, ["e"]);
  await from.cancel([cancelled]);
  await append(from, ["f"]);

  expect(await copyStore({ from, to, ...quiet })).toMatchObject({
    QUEUED: 3,
    SUCCEEDED: 1,
    DEAD: 1,
    CANCELLED: 1,
  });
  const moved = await details(to);
  expect(moved).toHaveLength(6);
  expect(moved).toEqual(await details(from));
});

test("what a worker holds is due again with its budget, or cancelled if that was asked for", async () => {
  const [from, to] = [await openStore(), await openStore()];
  const [held = "", stopped = ""] = await append(from, ["held", "stopped"]);
  await from.claim(await from.openSession("worker", 60_000, "remote"), 2);
  await from.cancel([stopped]);
  const before = await details(from);

  expect(await copyStore({ from, to, ...quiet })).toMatchObject({ QUEUED: 1, RUNNING: 0, CANCELLED: 1 });
  expect(await to.get([held, stopped])).toMatchObject([
    { state: "QUEUED", attempts: 1, maxAttempts: 4 },
    { state: "CANCELLED", attempts: 1, cancelRequested: false },
  ]);
  for (const job of before) {
    const [copy] = await to.get([job.jobId]);
    expect(copy?.revision).toBeGreaterThan(job.revision);
  }
  expect(await to.claim(await to.openSession("worker", 60_000), 10)).toMatchObject([
    { jobId: held, attempt: 2 },
  ]);
  expect(await details(from)).toEqual(before);
});

test("a run that was cut short is gone on with, and one that is complete stays as it is", async () => {
  const [from, to] = [await openStore(), await openStore()];
  const names = Array.from({ length: 1200 }, (_, index) => `event-${index}`);
  for (let at = 0; at < names.length; at += 600) await append(from, names.slice(at, at + 600));
  const cut = new AbortController();
  const reason = new Error("enough");
  const run = copyStore({ from, to, signal: cut.signal, progress: (done) => done > 0 && cut.abort(reason) });
  await expect(run).rejects.toBe(reason);
  expect((await to.counts()).byState.QUEUED).toBe(500);

  const told: number[][] = [];
  await copyStore({ from, to, signal: quiet.signal, progress: (...numbers) => told.push(numbers) });
  expect(told).toEqual([
    [500, 1200],
    [1000, 1200],
    [1200, 1200],
  ]);
  expect(await copyStore({ from, to, ...quiet })).toMatchObject({ QUEUED: 1200 });
  expect(await to.find("", names)).toEqual(await from.find("", names));
});

test.each([
  {
    what: "jobs of its own",
    use: (_from: JobStore, to: JobStore) => append(to, ["mine"]),
    message: /^the new store must be empty, or a copy that was cut short: \S+ is not of the old store$/,
  },
  {
    what: "a copy that was used",
    use: async (from: JobStore, to: JobStore) => {
      await copyStore({ from, to, ...quiet });
      await to.claim(await to.openSession("worker", 60_000), 1);
    },
    message: /^the new store must be empty, or a copy that was cut short: \S+ was used since it was copied$/,
  },
])("a new store with $what is refused and left alone", async ({ use, message }) => {
  const [from, to] = [await openStore(), await openStore()];
  await append(from, ["a", "b"]);
  await use(from, to);
  const before = await details(to);
  const error: unknown = await copyStore({ from, to, ...quiet }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CopyError);
  expect(error).toMatchObject({ message: expect.stringMatching(message) });
  expect(await details(to)).toEqual(before);
});

test("numbers that do not agree in the end are an error", async () => {
  const [from, to] = [await openStore(), await openStore()];
  await append(from, ["a", "b"]);
  let intrusion: Promise<unknown> | undefined;
  const run = copyStore({
    from,
    to,
    signal: quiet.signal,
    progress: (done) => void (intrusion ??= done > 0 ? append(to, ["mine"]) : undefined),
  });
  await expect(run).rejects.toThrow(
    "the copy does not add up: the new store has 3 QUEUED, it should have 2 QUEUED",
  );
  await intrusion;
});

test("a store without jobs is refused, and one that is its own copy", async () => {
  const [from, to] = [await openStore(), await openStore()];
  await expect(copyStore({ from, to, ...quiet })).rejects.toThrow("the old store has no jobs");
  await append(from, ["a"]);
  await expect(copyStore({ from, to: from, ...quiet })).rejects.toThrow("cannot be copied into itself");
  expect((await from.counts()).workers).toEqual([]);
});

test("an abort is heard while an earlier copy is read", async () => {
  const [from, to] = [await openStore(), await openStore()];
  await append(from, ["a"]);
  await copyStore({ from, to, ...quiet });
  const reason = new Error("enough");
  await expect(copyStore({ from, to, ...quiet, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("a store that gives nothing out, or takes nothing in, is named", async () => {
  const [from, to] = [await openStore(), await openStore()];
  const [closed, full] = [{ ...from }, { ...to }];
  delete closed.exportJobs;
  delete full.importJobs;
  await expect(copyStore({ from: closed, to, ...quiet })).rejects.toThrow(
    "cannot be moved out of the old store",
  );
  await expect(copyStore({ from, to: full, ...quiet })).rejects.toThrow("cannot be moved into the new store");
});
