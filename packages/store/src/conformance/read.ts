import { expect } from "vitest";
import { type Job, type JobId, type JobStore, revision } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  append,
  bytes,
  detailOf,
  endings,
  finished,
  longMs,
  jobOf,
  keepAll,
  newEvent,
  newEvents,
  nowOf,
  only,
  start,
  take,
  unknownId,
} from "./steps.ts";

/** What is said about jobs. */
export function readCases(check: Case): void {
  check("R1 an unknown job is null", async ({ store }) => {
    await accept(store);
    expect(await store.get([unknownId, "", "no id"])).toEqual([null, null, null]);
    expect(await store.getDetail(unknownId)).toBeNull();
    expect(await store.get([])).toEqual([]);
  });

  check("R1 an id that differs in one place from a known one is null", async ({ store }) => {
    const jobId = await accept(store);
    const near = [0, 12, 20, 35].map((place) => {
      const digit = jobId[place] === "1" ? "2" : "1";
      return jobId.slice(0, place) + digit + jobId.slice(place + 1);
    });
    expect(await store.get(near)).toEqual(near.map(() => null));
    expect(await store.cancel(near)).toEqual(near.map(() => "unknown"));
    expect((await jobOf(store, jobId)).state).toBe("QUEUED");
  });

  check("R1 an id in upper case is found by every call, and answered in lower case", async ({ store }) => {
    const { jobId, session } = await start(store);
    const upper = jobId.toUpperCase();
    expect(upper).not.toBe(jobId);
    expect(await store.get([upper, jobId])).toMatchObject([{ jobId }, { jobId }]);
    expect(await store.getDetail(upper)).toMatchObject({ jobId });
    expect(await store.cancel([upper])).toEqual(["requested"]);
    expect(await store.heartbeat(session)).toEqual({ lost: false, cancelRequested: [jobId] });
    const verdict = { jobId: upper, attempt: 1, as: "dead", error: "a bug" } as const;
    expect(await store.settle(session, [verdict, { ...verdict, jobId }])).toEqual(["ok", "lost"]);
    expect(await store.redrive([upper, jobId])).toEqual(["queued", "notTerminal"]);
    expect(await store.cancel([upper, jobId])).toEqual(["cancelled", "terminal"]);
    expect(await store.get([jobId])).toMatchObject([{ jobId, state: "CANCELLED" }]);
  });

  check("R2 1,000 ids are answered by position, unknown and repeated ones among them", async ({ store }) => {
    const events = newEvents(100);
    const known = await acceptAll(store, events);
    const asked = Array.from({ length: 1000 }, (_, n) => (n % 7 === 0 ? unknownId : (known[n % 100] ?? "")));
    const jobs = await store.get(asked);
    expect(jobs.map((job) => job?.jobId ?? unknownId)).toEqual(asked);
    expect(jobs[1]?.eventId).toBe(events[1]?.eventId);
  });

  check("R3 revision rises on every path", async ({ store, spanMs, elapse }) => {
    const session = await store.openSession("worker", longMs);
    const [jobId, watch] = await watched(store);
    const run = async () => {
      const { attempt } = await take(store, session);
      await watch();
      return { jobId, attempt };
    };
    const retry = { as: "retry", delayMs: 0, error: "again" } as const;
    await store.settle(session, [{ ...(await run()), ...retry }]);
    await watch();
    await store.settle(session, [{ ...(await run()), as: "release" }]);
    await watch();
    const closing = await store.openSession("closing", longMs);
    await take(store, closing);
    await watch();
    await store.closeSession(closing);
    await watch();
    await take(store, await store.openSession("expiring", spanMs));
    await watch();
    await elapse();
    await store.maintain(keepAll);
    await watch();
    for (const ending of [endings.DEAD, endings.CANCELLED]) {
      await store.settle(session, [{ ...(await run()), ...ending }]);
      await watch();
      await store.redrive([jobId]);
      await watch();
    }
    await store.cancel([jobId]);
    await watch();
    await store.redrive([jobId]);
    await watch();
    const last = await run();
    await store.cancel([jobId]);
    await watch();
    await store.settle(session, [{ ...last, ...retry }]);
    await watch();
    await store.redrive([jobId]);
    await watch();
    await store.settle(session, [{ ...(await run()), ...endings.SUCCEEDED }]);
    await watch();
  });

  check("R3 an equal revision is equal content", async ({ store, elapse }) => {
    const { jobId, session, attempt } = await start(store);
    const running = await jobOf(store, jobId);
    await store.heartbeat(session);
    await store.settle(session, [{ jobId, attempt: attempt + 1, as: "succeeded" }]);
    await elapse();
    await store.maintain(keepAll);
    expect(await jobOf(store, jobId)).toEqual(running);
    await store.settle(session, [{ jobId, attempt, as: "retry", delayMs: 0, error: "again" }]);
    const queued = await jobOf(store, jobId);
    await elapse();
    await store.redrive([jobId]);
    expect(await jobOf(store, jobId)).toEqual(queued);
  });

  check("R7 counts are exact at rest", async ({ store }) => {
    const empty = { QUEUED: 0, RUNNING: 0, SUCCEEDED: 0, DEAD: 0, CANCELLED: 0 };
    expect((await store.counts()).byState).toEqual(empty);
    for (const [state, count] of [
      ["SUCCEEDED", 1] as const,
      ["DEAD", 2] as const,
      ["CANCELLED", 3] as const,
    ]) {
      for (let made = 0; made < count; made++) await finished(store, state);
    }
    const now = await nowOf(store);
    const fresh = newEvents(4);
    await acceptAll(store, fresh);
    await acceptAll(store, newEvents(5, { runAt: now + longMs }));
    const session = await store.openSession("busy", longMs);
    await store.claim(session, 2);
    const counts = await store.counts();
    expect(counts.byState).toEqual({ QUEUED: 7, RUNNING: 2, SUCCEEDED: 1, DEAD: 2, CANCELLED: 3 });
    expect(counts.scheduled).toBe(5);
    expect(counts.workers.find(({ worker }) => worker === "busy")).toMatchObject({ held: 2 });
    for (const { expiresAt } of counts.workers) expect(expiresAt).toBeGreaterThan(counts.asOf);
    await store.append([newEvent(), ...fresh]);
    expect((await store.counts()).byState.QUEUED).toBe(8);
  });

  check("R8 find answers by event id, within the tenant", async ({ store }) => {
    const event = newEvent({ eventId: "Straße", tenant: "t1" });
    const { jobId } = await append(store, event);
    expect(await store.find("t1", ["Straße", "straße", "Strasse", "nobody", "Straße"])).toEqual([
      jobId,
      null,
      null,
      null,
      jobId,
    ]);
    expect(await store.find("", ["Straße"])).toEqual([null]);
    expect(await store.find("t1", [])).toEqual([]);
  });

  check("R9 each handle reads what the other wrote", async ({ store, second }) => {
    const other = await second();
    const session = await other.openSession("worker", longMs);
    for (let round = 0; round < 20; round++) {
      const jobId = await accept(store);
      const { attempt } = await take(other, session);
      expect((await jobOf(store, jobId)).state).toBe("RUNNING");
      await store.settle(session, [{ jobId, attempt, as: "succeeded" }]);
      expect((await jobOf(other, jobId)).state).toBe("SUCCEEDED");
      expect((await other.counts()).byState.SUCCEEDED).toBe(round + 1);
    }
  });

  check("R10 the detail is exact to the byte", async ({ store }) => {
    const payload = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
    const { jobId, session, attempt } = await start(store, { payload });
    const error = "línea 1\n\t\u{1f4a5}";
    await store.settle(session, [{ jobId, attempt, as: "retry", delayMs: 0, error }]);
    await take(store, session);
    const result = bytes("résultat\0");
    await store.settle(session, [{ jobId, attempt: 2, as: "succeeded", result }]);
    const { payload: read, errors, ...job } = await detailOf(store, jobId);
    expect(Buffer.compare(read, payload)).toBe(0);
    expect(Buffer.compare(job.result ?? new Uint8Array(), result)).toBe(0);
    expect(errors).toEqual([{ attempt: 1, at: expect.any(Number), error }]);
    expect(job).toEqual(await jobOf(store, jobId));
  });

  check("R11 oldestReadyAt is when the oldest due job became due", async ({ store, spanMs, elapse }) => {
    expect((await store.counts()).oldestReadyAt).toBeUndefined();
    const runAt = (await nowOf(store)) + spanMs;
    await accept(store, { runAt });
    expect((await store.counts()).oldestReadyAt).toBeUndefined();
    const fresh = await accept(store);
    expect((await store.counts()).oldestReadyAt).toBe((await jobOf(store, fresh)).acceptedAt);
    const session = await store.openSession("worker", longMs);
    const { attempt } = await take(store, session);
    expect((await store.counts()).oldestReadyAt).toBeUndefined();
    await elapse();
    expect((await store.counts()).oldestReadyAt).toBe(runAt);
    await store.settle(session, [{ jobId: fresh, attempt, as: "release" }]);
    expect((await store.counts()).oldestReadyAt).toBe(runAt);
    await take(store, session);
    const { nextAttemptAt } = await jobOf(store, fresh);
    expect((await store.counts()).oldestReadyAt).toBe(nextAttemptAt);
  });
}

/** A new job, and a look at it that expects a change since the last one. */
async function watched(store: JobStore): Promise<[JobId, () => Promise<void>]> {
  const jobId = only(await acceptAll(store, [newEvent({ maxAttempts: 12 })]));
  let last: Job = await jobOf(store, jobId);
  const watch = async () => {
    const job = await jobOf(store, jobId);
    expect(job.revision).toBe(revision(job));
    expect(job.revision).toBeGreaterThan(last.revision);
    last = job;
  };
  return [jobId, watch];
}
