import { expect } from "vitest";
import type { Case } from "./case.ts";
import {
  accept,
  append,
  detailOf,
  finished,
  longMs,
  jobOf,
  newEvent,
  only,
  start,
  take,
  unknownId,
} from "./steps.ts";

/** A second life for a job under the same id. */
export function redriveCases(check: Case): void {
  check("X11 a DEAD job is queued again and due at once", async ({ store }) => {
    const jobId = await finished(store, "DEAD");
    expect(await store.redrive([jobId])).toEqual(["queued"]);
    const job = await jobOf(store, jobId);
    expect(job).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 13, cancelRequested: false });
    expect(job.finishedAt).toBeUndefined();
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, DEAD: 0 });
    const session = await store.openSession("worker", longMs);
    expect(await take(store, session)).toMatchObject({ jobId, attempt: 2 });
  });

  check("X12 redriving a CANCELLED job uses up an attempt number", async ({ store }) => {
    const session = await store.openSession("worker", longMs);
    const jobId = await accept(store);
    await store.cancel([jobId]);
    const cancelled = await jobOf(store, jobId);
    expect(await store.redrive([jobId])).toEqual(["queued"]);
    const redriven = await jobOf(store, jobId);
    expect(redriven).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 13 });
    expect(redriven.revision).toBeGreaterThan(cancelled.revision);
    const { attempt } = await take(store, session);
    expect(attempt).toBe(2);
    await store.cancel([jobId]);
    await store.settle(session, [{ jobId, attempt, as: "cancelled" }]);
    await store.redrive([jobId]);
    expect(await jobOf(store, jobId)).toMatchObject({ attempts: 3, maxAttempts: 15, cancelRequested: false });
    expect((await take(store, session)).attempt).toBe(4);
    expect(await store.heartbeat(session)).toEqual({ lost: false, cancelRequested: [] });
  });

  check("X13 a live job and a SUCCEEDED one are refused and stay as they are", async ({ store }) => {
    const done = await finished(store, "SUCCEEDED");
    const { jobId: running } = await start(store);
    const queued = await accept(store);
    const ids = [done, running, queued];
    const jobs = await store.get(ids);
    expect(await store.redrive([...ids, unknownId])).toEqual([
      "notTerminal",
      "notTerminal",
      "notTerminal",
      "unknown",
    ]);
    expect(await store.get(ids)).toEqual(jobs);
    expect(await store.redrive([])).toEqual([]);
  });

  check("X14 a redrive keeps id, event and history and grants the first budget again", async ({ store }) => {
    const event = newEvent({ maxAttempts: 2, timestamp: 7n });
    const { jobId, session } = await start(store, event);
    const retry = { jobId, as: "retry", delayMs: 0 } as const;
    await store.settle(session, [{ ...retry, attempt: 1, error: "one" }]);
    await take(store, session);
    await store.settle(session, [{ ...retry, attempt: 2, error: "two" }]);
    const dead = await detailOf(store, jobId);
    await store.redrive([jobId]);
    const redriven = await detailOf(store, jobId);
    expect(redriven).toMatchObject({ state: "QUEUED", attempts: 2, maxAttempts: 4, lastError: "two" });
    expect(redriven.errors).toEqual(dead.errors);
    expect(redriven.acceptedAt).toBe(dead.acceptedAt);
    expect(await append(store, event)).toEqual({ outcome: "DUPLICATE", jobId });
    expect(only(await store.find("", [event.eventId]))).toBe(jobId);
    const again = await take(store, session);
    expect(again).toMatchObject({ jobId, attempt: 3, acceptedAt: dead.acceptedAt });
    expect(again.event).toMatchObject({ eventId: event.eventId, type: event.type, timestamp: 7n });
    await store.settle(session, [{ ...retry, attempt: 3, error: "three" }]);
    expect((await jobOf(store, jobId)).state).toBe("QUEUED");
    await take(store, session);
    await store.settle(session, [{ ...retry, attempt: 4, error: "four" }]);
    expect((await jobOf(store, jobId)).state).toBe("DEAD");
    const { errors } = await detailOf(store, jobId);
    expect(errors.map(({ error }) => error)).toEqual(["one", "two", "three", "four"]);
  });

  check("X15 three redrives, each with the first budget", async ({ store }) => {
    const { jobId, session } = await start(store, { maxAttempts: 3 });
    await store.settle(session, [{ jobId, attempt: 1, as: "dead", error: "no" }]);
    for (let attempt = 2; attempt <= 4; attempt++) {
      expect(await store.redrive([jobId])).toEqual(["queued"]);
      expect(await store.redrive([jobId])).toEqual(["notTerminal"]);
      expect((await jobOf(store, jobId)).maxAttempts).toBe(attempt - 1 + 3);
      expect((await take(store, session)).attempt).toBe(attempt);
      await store.settle(session, [{ jobId, attempt, as: "dead", error: "no" }]);
    }
    expect(await jobOf(store, jobId)).toMatchObject({ state: "DEAD", attempts: 4 });
    expect((await detailOf(store, jobId)).errors).toHaveLength(4);
  });
}
