import { expect } from "vitest";
import type { Job, JobId, JobStore, ListQuery } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  endings,
  expectInvalid,
  finished,
  longMs,
  jobOf,
  newEvents,
  nowOf,
  start,
  take,
} from "./steps.ts";

/** Pages of jobs, newest first. */
export function listCases(check: Case): void {
  check("R4 each state is listed, newest first", async ({ store }) => {
    const expected: Partial<Record<Job["state"], JobId[]>> = {};
    for (const state of ["SUCCEEDED", "DEAD", "CANCELLED"] as const) {
      expected[state] = [await finished(store, state), await finished(store, state)];
    }
    expected.RUNNING = [(await start(store)).jobId, (await start(store)).jobId];
    expected.QUEUED = [await accept(store, { runAt: (await nowOf(store)) + longMs }), await accept(store)];
    for (const state of ["QUEUED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED"] as const) {
      const jobs = await listAll(store, { state, limit: 1 });
      expect(jobs.map(({ jobId }) => jobId)).toEqual(expected[state]?.toReversed());
      expect(jobs).toEqual(await store.get(jobs.map(({ jobId }) => jobId)));
    }
    expect(await listAll(store, { limit: 3 })).toHaveLength(10);
  });

  check("R4 paging sees each job once while others come and all of them move", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(20));
    const session = await store.openSession("worker", longMs);
    const seen: JobId[] = [];
    const ways = Object.values(endings);
    for (let cursor: string | undefined, page = 0; page === 0 || cursor !== undefined; page++) {
      const answer = await store.list({ limit: 3, ...(cursor !== undefined && { cursor }) });
      seen.push(...answer.jobs.map(({ jobId }) => jobId));
      cursor = answer.cursor;
      const { jobId, attempt } = await take(store, session);
      await store.settle(session, [{ jobId, attempt, ...(ways[page % 3] ?? endings.DEAD) }]);
      await accept(store);
    }
    expect(seen).toEqual(ids.toReversed());
  });

  check("R4 paging one state sees each job that stays in it once", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(20));
    const seen: JobId[] = [];
    let cursor: string | undefined;
    do {
      const query: ListQuery = { state: "QUEUED", limit: 4, ...(cursor !== undefined && { cursor }) };
      const answer = await store.list(query);
      seen.push(...answer.jobs.map(({ jobId }) => jobId));
      cursor = answer.cursor;
      // One that was seen and one that is still to come.
      await store.cancel([seen.at(-1) ?? "", ids[0] ?? ""]);
    } while (cursor !== undefined);
    expect(seen).toEqual(ids.slice(1).toReversed());
  });

  check("R5 an empty list, pages of one, a broken cursor", async ({ store }) => {
    expect(await listAll(store, { limit: 100 })).toEqual([]);
    const ids = await acceptAll(store, newEvents(3));
    const jobs = await listAll(store, { limit: 1 });
    expect(jobs.map(({ jobId }) => jobId)).toEqual(ids.toReversed());
    expect((await store.list({ limit: 1000 })).jobs).toHaveLength(3);
    expect(await listAll(store, { state: "DEAD", limit: 1 })).toEqual([]);
    await expectInvalid(store.list({ limit: 1, cursor: "no cursor" }));
  });

  check("R6 filters by state, type, tenant and time, alone and together", async ({ store, elapse }) => {
    // Scheduled, so that it is not what the next one's session claims.
    const runAt = (await nowOf(store)) + longMs;
    const a1 = await accept(store, { type: "a", tenant: "t1", runAt });
    const b1 = await finished(store, "DEAD", { type: "b", tenant: "t1" });
    await elapse();
    const a2 = await accept(store, { type: "a", tenant: "t2" });
    const { acceptedAt: from } = await jobOf(store, a2);
    const answer = async (query: Omit<ListQuery, "limit">) =>
      (await listAll(store, { ...query, limit: 2 })).map(({ jobId }) => jobId);
    expect(await answer({})).toEqual([a2, b1, a1]);
    expect(await answer({ type: "a" })).toEqual([a2, a1]);
    expect(await answer({ tenant: "t1" })).toEqual([b1, a1]);
    expect(await answer({ tenant: "" })).toEqual([]);
    expect(await answer({ state: "DEAD" })).toEqual([b1]);
    expect(await answer({ from })).toEqual([a2]);
    expect(await answer({ to: from })).toEqual([b1, a1]);
    expect(await answer({ from, to: from + 1 })).toEqual([a2]);
    expect(await answer({ type: "a", tenant: "t1", state: "QUEUED", to: from })).toEqual([a1]);
    expect(await answer({ type: "a", state: "DEAD" })).toEqual([]);
  });
}

/** All pages. A page may be short or empty as long as it has a cursor. */
async function listAll(store: JobStore, query: ListQuery): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let page = await store.list(query); ; page = await store.list({ ...query, cursor: page.cursor })) {
    expect(page.jobs.length).toBeLessThanOrEqual(query.limit);
    jobs.push(...page.jobs);
    if (page.cursor === undefined) return jobs;
  }
}
