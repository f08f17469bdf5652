import { expect } from "vitest";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  detailOf,
  longMs,
  jobOf,
  keepAll,
  lose,
  maintainAll,
  newEvents,
  start,
  take,
} from "./steps.ts";

/** How long a session holds its jobs, and what becomes of them after. */
export function leaseCases(check: Case): void {
  check("C7 a heartbeat extends the lease", async ({ store, spanMs, elapse }) => {
    const { jobId, session } = await start(store, { ttlMs: spanMs });
    for (let beat = 0; beat < 2; beat++) {
      await elapse(0.6);
      expect(await store.heartbeat(session)).toEqual({ lost: false, cancelRequested: [] });
    }
    await elapse(0.6);
    expect(await store.maintain(keepAll)).toMatchObject({ requeued: 0, died: 0 });
    expect((await jobOf(store, jobId)).state).toBe("RUNNING");
  });

  check(
    "C8 a late heartbeat is told that the lease is lost, before and after maintain",
    async ({ store, spanMs, elapse }) => {
      const { session } = await start(store, { ttlMs: spanMs });
      await elapse();
      expect((await store.heartbeat(session)).lost).toBe(true);
      await store.maintain(keepAll);
      expect(await store.heartbeat(session)).toEqual({ lost: true, cancelRequested: [] });
    },
  );

  check(
    "C9 the jobs of an expired session run again, with one attempt more and the loss kept",
    async ({ engine, store }) => {
      const jobId = await accept(store);
      expect(await lose(engine, jobId)).toEqual({ requeued: 1, died: 0, pruned: 0 });
      const job = await detailOf(store, jobId);
      expect(job).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 12, lastError: "worker lost" });
      expect(job.errors).toMatchObject([{ attempt: 1, error: "worker lost" }]);
      expect((await take(store, await store.openSession("worker", longMs))).attempt).toBe(2);
    },
  );

  check("C9 maintain ends only what has expired", async ({ store, spanMs, elapse }) => {
    const lost = await start(store, { ttlMs: spanMs });
    const kept = await start(store);
    await elapse();
    expect(await maintainAll(store)).toMatchObject({ requeued: 1, died: 0 });
    const states = (await store.get([lost.jobId, kept.jobId])).map((job) => job?.state);
    expect(states).toEqual(["QUEUED", "RUNNING"]);
  });

  check("C10 the third loss is DEAD", async ({ engine }) => {
    const jobId = await accept(engine.store);
    await lose(engine, jobId);
    await lose(engine, jobId);
    expect((await jobOf(engine.store, jobId)).state).toBe("QUEUED");
    expect(await lose(engine, jobId)).toEqual({ requeued: 0, died: 1, pruned: 0 });
    const job = await jobOf(engine.store, jobId);
    expect(job).toMatchObject({ state: "DEAD", attempts: 3, lastError: "worker lost" });
    expect(job.finishedAt).toBeGreaterThanOrEqual(job.acceptedAt);
  });

  check("C11 a loss with the budget spent is DEAD", async ({ engine }) => {
    const jobId = await accept(engine.store, { maxAttempts: 1 });
    expect(await lose(engine, jobId)).toEqual({ requeued: 0, died: 1, pruned: 0 });
    expect(await jobOf(engine.store, jobId)).toMatchObject({ state: "DEAD", lastError: "worker lost" });
  });

  check("C12 losses add up over retries, and a redrive clears them", async ({ engine, store }) => {
    const jobId = await accept(store);
    await lose(engine, jobId);
    await lose(engine, jobId);
    const session = await store.openSession("worker", longMs);
    const { attempt } = await take(store, session);
    await store.settle(session, [{ jobId, attempt, as: "retry", delayMs: 0, error: "again" }]);
    await lose(engine, jobId);
    expect((await jobOf(store, jobId)).state).toBe("DEAD");
    expect(await store.redrive([jobId])).toEqual(["queued"]);
    await lose(engine, jobId);
    await lose(engine, jobId);
    expect((await jobOf(store, jobId)).state).toBe("QUEUED");
    await lose(engine, jobId);
    expect((await jobOf(store, jobId)).state).toBe("DEAD");
  });

  check("C13 closing a session releases what it holds", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(3, { maxAttempts: 1 }));
    const session = await store.openSession("worker", longMs);
    await store.claim(session, 3);
    await store.closeSession(session);
    await store.closeSession(session);
    for (const jobId of ids) {
      const job = await detailOf(store, jobId);
      expect(job).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 2, errors: [] });
      expect(job.nextAttemptAt).toBeDefined();
    }
    expect((await store.heartbeat(session)).lost).toBe(true);
    expect((await store.counts()).workers).toEqual([]);
    expect(await store.claim(await store.openSession("next", longMs), 10)).toHaveLength(3);
  });

  check("C14 a release uses an attempt number and keeps the budget", async ({ store }) => {
    const { jobId, session, attempt } = await start(store, { maxAttempts: 1 });
    expect(await store.settle(session, [{ jobId, attempt, as: "release" }])).toEqual(["ok"]);
    const released = await detailOf(store, jobId);
    expect(released).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 2, errors: [] });
    expect(released.lastError).toBeUndefined();
    const again = await take(store, session);
    expect(again.attempt).toBe(2);
    const error = "once is enough";
    await store.settle(session, [{ jobId, attempt: again.attempt, as: "retry", delayMs: 0, error }]);
    expect((await jobOf(store, jobId)).state).toBe("DEAD");
  });

  check(
    "C17 opened again, sessions of the process are over as lost, remote ones have their full ttl",
    async ({ engine, spanMs, elapse, reopen, skip }) => {
      // Only an exclusive engine knows at its opening that the workers of its process are gone.
      skip(!engine.store.caps.exclusive, "the engine outlives the processes that use it");
      const [own, remote] = await acceptAll(engine.store, newEvents(2));
      const ownSession = await engine.store.openSession("own", longMs);
      expect((await take(engine.store, ownSession)).jobId).toBe(own);
      const remoteSession = await engine.store.openSession("remote", spanMs, "remote");
      const { attempt, jobId } = await take(engine.store, remoteSession);
      expect(jobId).toBe(remote);
      await elapse(0.6);
      const store = await reopen();
      await elapse(0.6);
      await maintainAll(store);
      expect((await store.heartbeat(ownSession)).lost).toBe(true);
      expect((await store.heartbeat(remoteSession)).lost).toBe(false);
      const again = await take(store, await store.openSession("next", longMs));
      expect(again).toMatchObject({ jobId: own, attempt: 2 });
      expect((await jobOf(store, again.jobId)).lastError).toBe("worker lost");
      expect(await store.settle(ownSession, [{ jobId: again.jobId, attempt: 1, as: "succeeded" }])).toEqual([
        "lost",
      ]);
      expect(await store.settle(remoteSession, [{ jobId, attempt, as: "succeeded" }])).toEqual(["ok"]);
    },
  );

  check(
    "C17 opened again, a remote session that stays silent for its ttl is lost",
    async ({ store, spanMs, elapse, reopen }) => {
      const jobId = await accept(store);
      const session = await store.openSession("remote", spanMs, "remote");
      await take(store, session);
      const again = await reopen();
      expect((await jobOf(again, jobId)).state).toBe("RUNNING");
      await elapse();
      expect((await again.heartbeat(session)).lost).toBe(true);
      expect(await maintainAll(again)).toMatchObject({ requeued: 1 });
      expect(await jobOf(again, jobId)).toMatchObject({ state: "QUEUED", lastError: "worker lost" });
    },
  );
}
