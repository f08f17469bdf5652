import { expect } from "vitest";
import type { JobId, JobStore, Session, Verdict } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  detailOf,
  finished,
  longMs,
  jobOf,
  keepAll,
  newEvents,
  nowOf,
  only,
  start,
  take,
  unknownId,
} from "./steps.ts";

/** Taking a job back, in each of its states and while it moves. */
export function cancelCases(check: Case): void {
  check("X1 a QUEUED job is cancelled and never claimed", async ({ store }) => {
    const [gone, kept] = await acceptAll(store, newEvents(2));
    expect(await store.cancel([gone ?? ""])).toEqual(["cancelled"]);
    const job = await jobOf(store, gone ?? "");
    expect(job).toMatchObject({ state: "CANCELLED", attempts: 0, cancelRequested: false });
    expect(job.finishedAt).toBeGreaterThanOrEqual(job.acceptedAt);
    expect((await take(store, await store.openSession("worker", longMs))).jobId).toBe(kept);
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 1, CANCELLED: 1 });
  });

  check(
    "X2 a scheduled job and one that waits for a retry are cancelled",
    async ({ store, spanMs, elapse }) => {
      const scheduled = await accept(store, { runAt: (await nowOf(store)) + spanMs });
      const { jobId, session } = await start(store);
      await store.settle(session, [{ jobId, attempt: 1, as: "retry", delayMs: spanMs, error: "later" }]);
      expect(await store.cancel([scheduled, jobId])).toEqual(["cancelled", "cancelled"]);
      await elapse();
      expect(await store.claim(session, 10)).toEqual([]);
      const jobs = await store.get([scheduled, jobId]);
      expect(jobs.map((job) => [job?.state, job?.nextAttemptAt])).toEqual([
        ["CANCELLED", undefined],
        ["CANCELLED", undefined],
      ]);
      expect((await store.counts()).scheduled).toBe(0);
    },
  );

  check("X3 a RUNNING job is asked to stop, and the heartbeat of its session tells", async ({ store }) => {
    const { jobId, session } = await start(store);
    const other = await store.openSession("other", longMs);
    expect(await store.cancel([jobId])).toEqual(["requested"]);
    expect(await store.cancel([jobId])).toEqual(["requested"]);
    expect(await jobOf(store, jobId)).toMatchObject({ state: "RUNNING", cancelRequested: true });
    expect(await store.heartbeat(session)).toEqual({ lost: false, cancelRequested: [jobId] });
    expect(await store.heartbeat(other)).toEqual({ lost: false, cancelRequested: [] });
  });

  for (const [code, state, errors, verdict] of [
    ["X4", "SUCCEEDED", [], { as: "succeeded" }],
    ["X4", "DEAD", ["no"], { as: "dead", error: "no" }],
    ["X4", "CANCELLED", [], { as: "cancelled" }],
    ["X5", "CANCELLED", ["again"], { as: "retry", delayMs: 0, error: "again" }],
    ["X6", "CANCELLED", [], { as: "release" }],
  ] as const) {
    check(`${code} a requested cancel and then ${verdict.as} is ${state}`, async ({ store }) => {
      const { jobId, session, attempt } = await start(store);
      await store.cancel([jobId]);
      expect(await store.settle(session, [{ jobId, attempt, ...verdict }])).toEqual(["ok"]);
      await expectStopped(store, jobId, { state, errors });
      expect(await store.claim(session, 1)).toEqual([]);
    });
  }

  check("X6 a requested cancel and then a closed session is CANCELLED", async ({ store }) => {
    const { jobId, session } = await start(store);
    await store.cancel([jobId]);
    await store.closeSession(session);
    await expectStopped(store, jobId, { state: "CANCELLED", errors: [] });
  });

  check(
    "X7 a requested cancel and then an expired session is CANCELLED",
    async ({ store, spanMs, elapse }) => {
      const { jobId } = await start(store, { ttlMs: spanMs });
      await store.cancel([jobId]);
      await elapse();
      await store.maintain(keepAll);
      await expectStopped(store, jobId, { state: "CANCELLED", errors: ["worker lost"] });
    },
  );

  check("X8 a terminal job stays as it is", async ({ store }) => {
    for (const state of ["SUCCEEDED", "DEAD", "CANCELLED"] as const) {
      const jobId = await finished(store, state);
      const job = await jobOf(store, jobId);
      expect(await store.cancel([jobId])).toEqual(["terminal"]);
      expect(await jobOf(store, jobId)).toEqual(job);
    }
  });

  check("X9 unknown jobs are unknown, by position", async ({ store }) => {
    const jobId = await accept(store);
    expect(await store.cancel([unknownId, jobId, unknownId])).toEqual(["unknown", "cancelled", "unknown"]);
    expect(await store.cancel([])).toEqual([]);
  });

  check(
    "X10 cancel racing claim, verdicts and other cancels: each answer holds",
    async ({ store, second }) => {
      const other = await second();
      const session = await store.openSession("worker", longMs);
      for (let round = 0; round < 20; round++) {
        const ids = await acceptAll(store, newEvents(20));
        const [ran, forward, backward] = await Promise.all([
          runSome(store, session),
          cancelEach(store, ids),
          cancelEach(other, ids.toReversed()),
        ]);
        expect(await store.claim(session, 5)).toEqual([]);
        for (const jobId of ids) {
          const answers = [forward.get(jobId), backward.get(jobId)];
          const { state } = await jobOf(store, jobId);
          if (answers.includes("cancelled")) {
            expect(answers).toContain("terminal");
            expect(state).toBe("CANCELLED");
          }
          if (!ran.has(jobId)) expect(answers).toContain("cancelled");
          expect(["SUCCEEDED", "CANCELLED"]).toContain(state);
        }
      }
      expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 0 });
    },
  );
}

async function cancelEach(store: JobStore, ids: readonly JobId[]): Promise<Map<JobId, string>> {
  const answers = new Map<JobId, string>();
  for (const jobId of ids) answers.set(jobId, only(await store.cancel([jobId])));
  return answers;
}

/** Runs what is due, five jobs at a time: half of them succeed at once, half after a retry. */
async function runSome(store: JobStore, session: Session): Promise<Set<JobId>> {
  const ran = new Set<JobId>();
  for (;;) {
    const leased = await store.claim(session, 5);
    if (leased.length === 0) return ran;
    const verdicts = leased.map(({ jobId, attempt }, index): Verdict => {
      ran.add(jobId);
      if (attempt > 1 || index % 2 === 0) return { jobId, attempt, as: "succeeded" };
      return { jobId, attempt, as: "retry", delayMs: 0, error: "again" };
    });
    expect(await store.settle(session, verdicts)).toEqual(verdicts.map(() => "ok"));
  }
}

async function expectStopped(
  store: JobStore,
  jobId: JobId,
  { state, errors }: { state: string; errors: readonly string[] },
): Promise<void> {
  const job = await detailOf(store, jobId);
  expect(job).toMatchObject({ state, attempts: 1, cancelRequested: false });
  expect(job.errors.map(({ error }) => error)).toEqual(errors);
  expect(job.lastError).toBe(errors.at(-1));
  expect(job.finishedAt).toBeDefined();
  expect(job.nextAttemptAt).toBeUndefined();
}
