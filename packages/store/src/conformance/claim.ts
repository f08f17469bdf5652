import { expect, vi } from "vitest";
import { type JobId, type JobStore, maxClaimBytes, type Session } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  bytes,
  type Ending,
  longMs,
  jobOf,
  keepAll,
  maintainAll,
  newEvent,
  newEvents,
  nowOf,
  only,
  start,
  take,
  verdictOn,
} from "./steps.ts";

/** Who gets which job, and when. */
export function claimCases(check: Case): void {
  check("C1 claim takes the oldest due job", async ({ store, spanMs, elapse }) => {
    const session = await store.openSession("worker", longMs);
    const retried = await accept(store);
    const { attempt } = await take(store, session);
    const scheduled = await accept(store, { runAt: (await nowOf(store)) + spanMs / 10 });
    const older = await acceptAll(store, newEvents(3));
    await elapse();
    await store.settle(session, [{ jobId: retried, attempt, as: "retry", delayMs: 0, error: "again" }]);
    await elapse();
    const newest = await accept(store);
    const order: JobId[] = [];
    for (let job = 0; job < 6; job++) order.push((await take(store, session)).jobId);
    expect(order).toEqual([...older, scheduled, retried, newest]);
  });

  check("C1 a claimed job carries its event and is RUNNING", async ({ store }) => {
    const trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    const event = newEvent({ tenant: "t1", type: "a", timestamp: 5n, payload: bytes("ä\0"), trace });
    const jobId = only(await acceptAll(store, [event]));
    const leased = await take(store, await store.openSession("worker", longMs));
    const job = await jobOf(store, jobId);
    expect(leased).toMatchObject({ jobId, attempt: 1, acceptedAt: job.acceptedAt });
    const { tenant, eventId, type, timestamp, maxAttempts } = event;
    expect(leased.event).toMatchObject({ tenant, eventId, type, timestamp, maxAttempts, trace });
    expect(Buffer.compare(leased.event.payload, event.payload)).toBe(0);
    expect(job).toMatchObject({ state: "RUNNING", attempts: 1, cancelRequested: false });
    expect([job.nextAttemptAt, job.finishedAt]).toEqual([undefined, undefined]);
  });

  check(
    "C1 fresh, retried and scheduled jobs in one claim each carry their own payload",
    async ({ store, spanMs, elapse }) => {
      const payloads = ["first", "", "\0", "ü".repeat(40_000), "last", "retried", "scheduled"].map(bytes);
      const retried = await accept(store, { payload: payloads[5] ?? bytes("") });
      const session = await store.openSession("worker", longMs);
      const { attempt } = await take(store, session);
      await store.settle(session, [{ jobId: retried, attempt, as: "retry", delayMs: 0, error: "again" }]);
      const scheduled = { payload: payloads[6] ?? bytes(""), runAt: (await nowOf(store)) + spanMs / 2 };
      const fresh = payloads.slice(0, 5).map((payload) => newEvent({ payload }));
      const ids = [...(await acceptAll(store, fresh)), retried, await accept(store, scheduled)];
      await elapse();
      const leased = await store.claim(session, 10);
      const claimed = new Map(
        leased.map(({ jobId, event }) => [jobId, Buffer.from(event.payload).toString("hex")]),
      );
      expect(claimed).toEqual(
        new Map(ids.map((jobId, index) => [jobId, Buffer.from(payloads[index] ?? []).toString("hex")])),
      );
    },
  );

  check("C2 claim takes no more than max", async ({ store }) => {
    await acceptAll(store, newEvents(5));
    const session = await store.openSession("worker", longMs);
    expect(await store.claim(session, 3)).toHaveLength(3);
    expect(await store.claim(session, 3)).toHaveLength(2);
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 5 });
  });

  check("C2 claim ends by size, and the next one goes on", async ({ store }) => {
    const { maxPayloadBytes } = store.caps;
    const payload = new Uint8Array(maxPayloadBytes);
    const events = newEvents(6, { payload });
    const ids: JobId[] = [];
    for (const event of events) ids.push(...(await acceptAll(store, [event])));
    const session = await store.openSession("worker", longMs);
    const claimed: JobId[] = [];
    while (claimed.length < ids.length) {
      const jobs = await store.claim(session, 1000);
      expect(jobs.length).toBeGreaterThan(0);
      expect((jobs.length - 1) * maxPayloadBytes).toBeLessThan(maxClaimBytes);
      claimed.push(...jobs.map(({ jobId }) => jobId));
    }
    expect(claimed.toSorted()).toEqual(ids.toSorted());
  });

  check("C3 two claimers at once get different jobs", async ({ store, second }) => {
    const ids = await acceptAll(store, newEvents(100));
    const handles = [store, await second()];
    const claims = await Promise.all(
      handles.map(async (handle) => handle.claim(await handle.openSession("worker", longMs), 50)),
    );
    // An engine may skip what another claim is looking at, so what is left is claimed after.
    const rest = await store.claim(await store.openSession("worker", longMs), 100);
    const claimed = [...claims.flat(), ...rest].map(({ jobId }) => jobId);
    expect(claimed.toSorted()).toEqual(ids.toSorted());
  });

  check("C4 8 claimers over 400 jobs get each job once", async ({ store, second }) => {
    const ids = await acceptAll(store, newEvents(400));
    const handles = [store, await second()];
    const drained = await Promise.all(
      Array.from({ length: 8 }, async (_, claimer) => drain(handles[claimer % 2] ?? store, 7)),
    );
    expect(drained.flat().toSorted()).toEqual(ids.toSorted());
  });

  check("C5 claim answers at once when there is nothing", async ({ store }) => {
    const session = await store.openSession("worker", longMs);
    expect(await store.claim(session, 10)).toEqual([]);
    await accept(store, { runAt: (await nowOf(store)) + longMs });
    expect(await store.claim(session, 10)).toEqual([]);
  });

  check("C6 a session that has ended claims nothing", async ({ store, spanMs, elapse }) => {
    const expired = await store.openSession("expired", spanMs);
    const reaped = await store.openSession("reaped", spanMs);
    const closed = await store.openSession("closed", longMs);
    await store.closeSession(closed);
    const jobId = await accept(store);
    await elapse();
    expect(await store.claim(expired, 1)).toEqual([]);
    await store.maintain(keepAll);
    for (const session of [expired, reaped, closed]) expect(await store.claim(session, 1)).toEqual([]);
    expect(await jobOf(store, jobId)).toMatchObject({ state: "QUEUED", attempts: 0 });
  });

  check(
    "C15 an attempt number never repeats through retry, release, close, expiry and redrive",
    async ({ store, spanMs, elapse }) => {
      const jobId = await accept(store);
      const attempts: number[] = [];
      const run = async (end: (session: Session, attempt: number) => Promise<unknown>) => {
        const session = await store.openSession("worker", spanMs);
        const { attempt } = await take(store, session);
        expect((await jobOf(store, jobId)).attempts).toBe(attempt);
        attempts.push(attempt);
        await end(session, attempt);
      };
      const settle = (verdict: { as: "release" } | { as: "retry"; delayMs: number; error: string }) => {
        return (session: Session, attempt: number) => store.settle(session, [{ jobId, attempt, ...verdict }]);
      };
      await run(settle({ as: "retry", delayMs: 0, error: "again" }));
      await run(settle({ as: "release" }));
      await run((session) => store.closeSession(session));
      await run(async () => {
        await elapse();
        await store.maintain(keepAll);
      });
      await run((session, attempt) => store.settle(session, [{ jobId, attempt, as: "dead", error: "no" }]));
      expect(await store.redrive([jobId])).toEqual(["queued"]);
      await run((session, attempt) => store.settle(session, [{ jobId, attempt, as: "cancelled" }]));
      expect(await store.redrive([jobId])).toEqual(["queued"]);
      expect(await store.cancel([jobId])).toEqual(["cancelled"]);
      expect(await store.redrive([jobId])).toEqual(["queued"]);
      await run(settle({ as: "release" }));
      expect(new Set(attempts).size).toBe(7);
      expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
    },
  );

  check(
    "C20 a claimed job tells how many attempts of its budget failed: retries and losses, no releases, none after a redrive",
    async ({ store, elapse, spanMs }) => {
      const jobId = await accept(store);
      const failures: number[] = [];
      const run = async (end: (session: Session, attempt: number) => Promise<unknown>) => {
        const session = await store.openSession("worker", spanMs);
        const leased = await take(store, session);
        failures.push(leased.failures);
        await end(session, leased.attempt);
      };
      const settle = (ending: Ending) => (session: Session, attempt: number) =>
        store.settle(session, [verdictOn(jobId, ending, attempt)]);
      const retry = settle({ as: "retry", delayMs: 0, error: "again" });
      const release = settle({ as: "release" });
      await run(release);
      await run(retry);
      await run((session) => store.closeSession(session));
      await run(async () => {
        await elapse();
        await maintainAll(store);
      });
      await run(release);
      await run(retry);
      await run(settle({ as: "dead", error: "no" }));
      await store.redrive([jobId]);
      await run(release);
      await run(retry);
      await run(settle({ as: "cancelled" }));
      await store.redrive([jobId]);
      await run(release);
      expect(failures).toEqual([0, 0, 1, 1, 2, 2, 3, 0, 0, 1, 0]);
    },
  );

  check("C16 the caller's clock an hour off, either way, changes nothing", async ({ store }) => {
    const real = Date.now();
    const hourMs = 3_600_000;
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      for (const offMs of [-hourMs, hourMs]) {
        vi.setSystemTime(real + offMs);
        const { jobId, session, attempt } = await start(store, { ttlMs: hourMs });
        vi.setSystemTime(real - offMs);
        expect((await store.heartbeat(session)).lost).toBe(false);
        expect(await store.maintain(keepAll)).toMatchObject({ requeued: 0, died: 0, pruned: 0 });
        await store.settle(session, [{ jobId, attempt, as: "retry", delayMs: hourMs, error: "later" }]);
        vi.setSystemTime(real + offMs);
        expect(await store.claim(session, 1)).toEqual([]);
        await accept(store);
        await store.settle(session, [{ ...(await take(store, session)), as: "succeeded" }]);
      }
    } finally {
      vi.useRealTimers();
    }
  });
}

/** Claims and keeps until nothing is left. Its lease holds all. */
async function drain(store: JobStore, max: number): Promise<JobId[]> {
  const session = await store.openSession("worker", longMs);
  const claimed: JobId[] = [];
  for (;;) {
    const leased = await store.claim(session, max);
    if (leased.length === 0 && (await store.counts()).byState.QUEUED === 0) return claimed;
    claimed.push(...leased.map(({ jobId }) => jobId));
  }
}
