import { expect } from "vitest";
import type { JobId, JobStore, Session } from "../job-store.ts";
import type { Case } from "./case.ts";
import { acceptAll, detailOf, longMs, jobOf, keepAll, newEvents, start, take, verdictOn } from "./steps.ts";

/** (session, job, attempt) is the fence of a verdict: one that does not fit is lost, and only that one. */
export function fenceCases(check: Case): void {
  check("S5 a stale attempt is lost", async ({ store }) => {
    const { jobId, session } = await start(store);
    await store.settle(session, [{ jobId, attempt: 1, as: "release" }]);
    expect((await take(store, session)).attempt).toBe(2);
    const running = await jobOf(store, jobId);
    for (const attempt of [1, 3]) {
      expect(await store.settle(session, [{ jobId, attempt, as: "succeeded" }])).toEqual(["lost"]);
    }
    expect(await jobOf(store, jobId)).toEqual(running);
    expect(await store.settle(session, [{ jobId, attempt: 2, as: "succeeded" }])).toEqual(["ok"]);
  });

  // An engine may settle a run of neighbours in one step, so each job of the run is the odd one once.
  for (const [place, odd] of [
    ["first", 0],
    ["middle", 5],
    ["last", 9],
  ] as const) {
    check(
      `S5 a stale attempt among neighbours is lost and the others are not (the ${place})`,
      async ({ store }) => {
        const { ids, session } = await holdTen(store);
        const stale = ids[odd] ?? "";
        await store.settle(session, [{ jobId: stale, attempt: 1, as: "release" }]);
        expect(await take(store, session)).toMatchObject({ jobId: stale, attempt: 2 });
        await expectOnlyOddLost({ store, session, ids, odd });
        expect(await jobOf(store, stale)).toMatchObject({ state: "RUNNING", attempts: 2 });
        expect(await store.settle(session, [{ jobId: stale, attempt: 2, as: "succeeded" }])).toEqual(["ok"]);
      },
    );

    check(
      `S6 a job of another session among neighbours is lost and the others are not (the ${place})`,
      async ({ store }) => {
        const ids = await acceptAll(store, newEvents(10));
        const session = await store.openSession("worker", longMs);
        const other = await store.openSession("other", longMs);
        await store.claim(session, odd);
        const foreign = await take(store, other);
        expect(foreign.jobId).toBe(ids[odd]);
        await store.claim(session, 9 - odd);
        await expectOnlyOddLost({ store, session, ids, odd });
        expect((await jobOf(store, foreign.jobId)).state).toBe("RUNNING");
        const { jobId, attempt } = foreign;
        expect(await store.settle(other, [{ jobId, attempt, as: "succeeded" }])).toEqual(["ok"]);
      },
    );
  }

  check("S5 a job left out of a run of neighbours stays as it is", async ({ store }) => {
    const { ids, session } = await holdTen(store);
    const left = ids[4] ?? "";
    const settled = ids.filter((jobId) => jobId !== left);
    expect(await store.settle(session, settled.map(succeeded))).toEqual(settled.map(() => "ok"));
    expect((await jobOf(store, left)).state).toBe("RUNNING");
    expect((await store.counts()).byState).toMatchObject({ RUNNING: 1, SUCCEEDED: 9 });
  });

  check("S6 another session's verdict is lost", async ({ store }) => {
    const { jobId, attempt } = await start(store);
    const other = await store.openSession("other", longMs);
    const running = await jobOf(store, jobId);
    for (const verdict of [
      { as: "succeeded" },
      { as: "dead", error: "no" },
      { as: "retry", delayMs: 0, error: "again" },
      { as: "cancelled" },
      { as: "release" },
    ] as const) {
      expect(await store.settle(other, [{ jobId, attempt, ...verdict }])).toEqual(["lost"]);
    }
    await store.closeSession(other);
    expect(await jobOf(store, jobId)).toEqual(running);
  });

  check(
    "S11 settle racing maintain, 1,000 times: exactly one wins",
    async ({ store, second, spanMs, elapse }) => {
      const other = await second();
      for (let round = 0; round < 10; round++) {
        const ids = await acceptAll(store, newEvents(100, { maxAttempts: 1 }));
        const session = await store.openSession("late", spanMs);
        expect(await store.claim(session, 100)).toHaveLength(100);
        await elapse();
        // Where calls are served in order, maintain takes its turn at another place in each round.
        const settle = (jobId: JobId) => store.settle(session, [succeeded(jobId)]);
        const early = ids.slice(0, round * 11).map(settle);
        const ended = other.maintain(keepAll);
        const answers = (await Promise.all([...early, ...ids.slice(round * 11).map(settle)])).flat();
        await ended;
        for (const [index, jobId] of ids.entries()) {
          const { state, errors } = await detailOf(store, jobId);
          const won = answers[index] === "ok";
          expect([state, errors.length]).toEqual(won ? ["SUCCEEDED", 0] : ["DEAD", 1]);
        }
      }
    },
  );
}

const succeeded = (jobId: JobId) => verdictOn(jobId, { as: "succeeded" });

/** Ten neighbours in the hands of one session, each at its first attempt. */
async function holdTen(store: JobStore): Promise<{ ids: JobId[]; session: Session }> {
  const ids = await acceptAll(store, newEvents(10));
  const session = await store.openSession("worker", longMs);
  expect(await store.claim(session, 10)).toHaveLength(10);
  return { ids, session };
}

/** Settles the first attempts of all ten: one of them is not this session's. */
async function expectOnlyOddLost({
  store,
  session,
  ids,
  odd,
}: {
  store: JobStore;
  session: Session;
  ids: readonly JobId[];
  odd: number;
}): Promise<void> {
  const answers = await store.settle(session, ids.map(succeeded));
  expect(answers).toEqual(ids.map((_, index) => (index === odd ? "lost" : "ok")));
  expect((await store.counts()).byState).toMatchObject({ RUNNING: 1, SUCCEEDED: 9 });
}
