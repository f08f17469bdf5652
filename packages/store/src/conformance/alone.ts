import { expect } from "vitest";
import type { JobId, JobStore, Session } from "../job-store.ts";
import type { Case, Engine } from "./case.ts";
import {
  accept,
  acceptAll,
  detailOf,
  endings,
  jobOf,
  keepAll,
  longMs,
  lose,
  loseAll,
  maintainAll,
  newEvents,
  only,
  suspects,
  take,
  verdictOn,
} from "./steps.ts";

/** A job that kills its workers takes others along twice, and then runs alone. */
export function aloneCases(check: Case): void {
  check("C18 after its first loss a job runs in company", async ({ engine, store }) => {
    const ids = await acceptAll(store, newEvents(5));
    await loseAll(engine, ids);
    expect(await claimIds(store, await store.openSession("worker", longMs))).toEqual(ids);
  });

  check(
    "C18 after its second loss a job is handed out alone, before all others",
    async ({ engine, store, spanMs, elapse }) => {
      const jobId = await accept(store);
      await lose(engine, jobId);
      await take(store, await store.openSession("lost", spanMs));
      const others = await acceptAll(store, newEvents(3));
      await elapse();
      await maintainAll(store);
      const session = await store.openSession("worker", longMs);
      expect(await claimIds(store, session)).toEqual([jobId]);
      expect(await jobOf(store, jobId)).toMatchObject({ state: "RUNNING", attempts: 3 });
      expect(await claimIds(store, session)).toEqual([]);
      expect(await store.settle(session, [verdictOn(jobId, endings.SUCCEEDED, 3)])).toEqual(["ok"]);
      expect(await claimIds(store, session)).toEqual(others);
    },
  );

  check(
    "C18 while such a job is due, a session that holds others gets nothing",
    async ({ engine, store }) => {
      const session = await store.openSession("worker", longMs);
      const held = await acceptAll(store, newEvents(2));
      expect(await claimIds(store, session)).toEqual(held);
      const jobId = await suspect(engine);
      const other = await accept(store);
      expect(await claimIds(store, session)).toEqual([]);
      const [first = "", second = ""] = held;
      await store.settle(session, [verdictOn(first, endings.SUCCEEDED)]);
      expect(await claimIds(store, session)).toEqual([]);
      await store.settle(session, [verdictOn(second, endings.DEAD)]);
      expect(await claimIds(store, session)).toEqual([jobId]);
      await store.closeSession(session);
      expect((await jobOf(store, other)).state).toBe("QUEUED");
    },
  );

  check("C18 once another session has taken it, the others go on", async ({ engine, store }) => {
    const busy = await store.openSession("busy", longMs);
    const held = await accept(store);
    expect(await claimIds(store, busy)).toEqual([held]);
    const jobId = await suspect(engine);
    const others = await acceptAll(store, newEvents(2));
    const idle = await store.openSession("idle", longMs);
    expect(await claimIds(store, idle)).toEqual([jobId]);
    expect(await claimIds(store, busy)).toEqual(others);
    expect(await claimIds(store, idle)).toEqual([]);
  });

  check("C18 several such jobs run one in a session", async ({ engine, store }) => {
    const ids = await suspects(engine, 3);
    await accept(store);
    const session = await store.openSession("first", longMs);
    const first = only(await claimIds(store, session));
    const second = only(await claimIds(store, await store.openSession("second", longMs)));
    expect(await claimIds(store, session)).toEqual([]);
    await store.settle(session, [verdictOn(first, endings.SUCCEEDED, 3)]);
    const third = only(await claimIds(store, session));
    expect([first, second, third].toSorted()).toEqual(ids);
  });

  check(
    "C18 such a job holds nobody back while it waits for its retry, and then runs alone",
    async ({ engine, store, spanMs, elapse }) => {
      const jobId = await suspect(engine);
      const session = await store.openSession("worker", longMs);
      const { attempt } = await take(store, session);
      const retry = { as: "retry", delayMs: spanMs, error: "later" } as const;
      await store.settle(session, [{ jobId, attempt, ...retry }]);
      const others = await acceptAll(store, newEvents(2));
      expect(await claimIds(store, session)).toEqual(others);
      await elapse();
      expect(await claimIds(store, session)).toEqual([]);
      expect(await claimIds(store, await store.openSession("idle", longMs))).toEqual([jobId]);
    },
  );

  check(
    "C18 a released job runs alone again, one that was cancelled holds nobody back",
    async ({ engine, store }) => {
      const jobId = await suspect(engine);
      const session = await store.openSession("worker", longMs);
      const { attempt } = await take(store, session);
      await store.settle(session, [{ jobId, attempt, as: "release" }]);
      const others = await acceptAll(store, newEvents(2));
      expect(await claimIds(store, session)).toEqual([jobId]);
      await store.closeSession(session);
      expect(await store.cancel([jobId])).toEqual(["cancelled"]);
      expect(await claimIds(store, await store.openSession("next", longMs))).toEqual(others);
    },
  );

  check("C18 a redrive clears the losses, so the job has company again", async ({ engine, store }) => {
    const jobId = await suspect(engine);
    await lose(engine, jobId);
    expect((await jobOf(store, jobId)).state).toBe("DEAD");
    await store.redrive([jobId]);
    const others = await acceptAll(store, newEvents(2));
    expect(await claimIds(store, await store.openSession("worker", longMs))).toEqual([jobId, ...others]);
  });

  check(
    "C19 of all that a job takes along, however often, only that job dies",
    async ({ store, spanMs, elapse }) => {
      const ids = await acceptAll(store, newEvents(20));
      const [poison = ""] = ids.slice(10);
      let lives = 0;
      while ((await store.counts()).byState.QUEUED > 0) {
        const session = await store.openSession(`life ${++lives}`, spanMs);
        await workUntilKilled(store, session, poison);
        await elapse();
        await maintainAll(store);
      }
      expect(lives).toBeLessThanOrEqual(4);
      expect(await detailOf(store, poison)).toMatchObject({
        state: "DEAD",
        attempts: 3,
        errors: [{ error: "worker lost" }, { error: "worker lost" }, { error: "worker lost" }],
      });
      expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 19, DEAD: 1 });
    },
  );

  check(
    "C19 however low the limit, no job dies that was never lost alone",
    async ({ store, spanMs, elapse }) => {
      await acceptAll(store, newEvents(2));
      const loseClaimed = async () => {
        const leased = await store.claim(await store.openSession("lost", spanMs), 10);
        await elapse();
        const { requeued, died } = await maintainAll(store, { ...keepAll, workerLostLimit: 1 });
        return { claimed: leased.length, requeued, died };
      };
      expect(await loseClaimed()).toEqual({ claimed: 2, requeued: 2, died: 0 });
      expect(await loseClaimed()).toEqual({ claimed: 2, requeued: 2, died: 0 });
      expect(await loseClaimed()).toEqual({ claimed: 1, requeued: 0, died: 1 });
    },
  );
}

/** A due job that was lost twice. Nothing else may be due. */
async function suspect(engine: Engine): Promise<JobId> {
  return only(await suspects(engine, 1));
}

async function claimIds(store: JobStore, session: Session): Promise<JobId[]> {
  const leased = await store.claim(session, 10);
  return leased.map(({ jobId }) => jobId).toSorted();
}

/** Settles what is handed out, unless the poison is among it. */
async function workUntilKilled(store: JobStore, session: Session, poison: JobId): Promise<void> {
  for (;;) {
    const leased = await store.claim(session, 100);
    if (leased.length === 0 || leased.some(({ jobId }) => jobId === poison)) return;
    const verdicts = leased.map(({ jobId, attempt }) => verdictOn(jobId, endings.SUCCEEDED, attempt));
    await store.settle(session, verdicts);
  }
}
