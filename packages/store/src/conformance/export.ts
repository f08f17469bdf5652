import { expect } from "vitest";
import type { JobId, JobStore, StoredJob } from "../job-store.ts";
import type { Case, Engine } from "./case.ts";
import {
  accept,
  acceptAll,
  detailOf,
  expectInvalid,
  finished,
  keepAll,
  longMs,
  lose,
  maintainAll,
  newEvents,
  nowOf,
  start,
  take,
  verdictOn,
} from "./steps.ts";

/** Jobs that leave for another store. */
export function exportCases(check: Case): void {
  const checkExport = check.extend<Pick<Engine, "store">>({
    store: ({ engine: { store }, skip }, use) => {
      skip(store.exportJobs === undefined, "nothing can be moved out of this store");
      return use(store);
    },
  });

  checkExport(
    "V1 jobs of every state leave with all that is kept of them, oldest first",
    async ({ engine, store }) => {
      const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      const retrying = await start(store, { tenant: "t2", type: "", timestamp: -5n });
      await store.settle(retrying.session, [
        verdictOn(retrying.jobId, { as: "retry", delayMs: longMs, error: "later" }),
      ]);
      const succeeded = await start(store, { payload: new Uint8Array([0, 255, 1]) });
      const result = new Uint8Array([0, 1, 2]);
      await store.settle(succeeded.session, [verdictOn(succeeded.jobId, { as: "succeeded", result })]);
      const dead = await finished(store, "DEAD");
      const redriven = await finished(store, "DEAD", { maxAttempts: 3 });
      await store.redrive([redriven]);
      await take(store, await store.openSession("worker", longMs));
      const lost = await accept(store, { maxAttempts: 7 });
      await lose(engine, lost);
      const scheduled = await accept(store, { runAt: (await nowOf(store)) + longMs, trace });
      const fresh = await accept(store);

      const expected: [JobId, Partial<StoredJob>][] = [
        [retrying.jobId, { budget: 12, losses: 0, state: "QUEUED" }],
        [succeeded.jobId, { budget: 12, losses: 0, state: "SUCCEEDED" }],
        [dead, { budget: 12, losses: 0, state: "DEAD" }],
        [redriven, { budget: 3, losses: 0, state: "RUNNING", maxAttempts: 4 }],
        [lost, { budget: 7, losses: 1, state: "QUEUED" }],
        [scheduled, { budget: 12, losses: 0, state: "QUEUED", trace }],
        [fresh, { budget: 12, losses: 0, state: "QUEUED" }],
      ];
      const jobs = await exported(store, 1000);
      const details = await Promise.all(
        expected.map(async ([jobId, more]) => Object.assign(await detailOf(store, jobId), more)),
      );
      expect(jobs).toEqual(details);
    },
  );

  checkExport(
    "V2 pages follow each other, also after a job that is gone, and end with an empty one",
    async ({ store, elapse }) => {
      const pruned = await finished(store, "SUCCEEDED");
      const ids = await acceptAll(store, newEvents(5));
      await elapse();
      await maintainAll(store, { ...keepAll, keepMs: { ...keepAll.keepMs, SUCCEEDED: 1 } });
      expect(await store.get([pruned])).toEqual([null]);
      expect(await exportedIds(store, undefined, 2)).toEqual(ids.slice(0, 2));
      expect(await exportedIds(store, pruned, 2)).toEqual(ids.slice(0, 2));
      expect(await exportedIds(store, ids[1], 2)).toEqual(ids.slice(2, 4));
      expect(await exportedIds(store, ids[3], 2)).toEqual(ids.slice(4));
      expect(await exportedIds(store, ids[4], 2)).toEqual([]);
    },
  );

  checkExport("V3 a page of large jobs ends early and leaves none out", async ({ store }) => {
    const payload = new Uint8Array(Math.min(store.caps.maxPayloadBytes, 1024 * 1024));
    const ids: JobId[] = [];
    for (let round = 0; round < 10; round++) {
      ids.push(...(await acceptAll(store, newEvents(4, { payload }))));
    }
    expect((await exportedIds(store, undefined, 1000)).length).toBeLessThan(ids.length);
    expect((await exported(store, 1000)).map(({ jobId }) => jobId)).toEqual(ids);
  });

  checkExport("V4 a limit out of range and an id of another kind are refused", async ({ store }) => {
    for (const limit of [0, 1001, 1.5]) await expectInvalid(exportJobs(store, undefined, limit));
    await expectInvalid(exportJobs(store, "no-id", 10));
    expect(await exportJobs(store, undefined, 1)).toEqual([]);
  });
}

async function exportJobs(store: JobStore, after: JobId | undefined, limit: number): Promise<StoredJob[]> {
  if (store.exportJobs === undefined) throw new Error("this store exports nothing");
  return store.exportJobs(after, limit);
}

async function exportedIds(store: JobStore, after: JobId | undefined, limit: number): Promise<JobId[]> {
  return (await exportJobs(store, after, limit)).map(({ jobId }) => jobId);
}

/** All jobs, page by page. */
async function exported(store: JobStore, limit: number): Promise<StoredJob[]> {
  const jobs: StoredJob[] = [];
  for (let pages = 0; pages < 100; pages++) {
    const page = await exportJobs(store, jobs.at(-1)?.jobId, limit);
    if (page.length === 0) return jobs;
    jobs.push(...page);
  }
  throw new Error("no empty page among 100");
}
