import { expect } from "vitest";
import type { Policy } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  append,
  detailOf,
  endings,
  finished,
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

/** Retention, and opening again. */
export function maintainCases(check: Case): void {
  check("M1 only what is past its retention goes", async ({ store, spanMs, elapse }) => {
    const gone = [
      await finished(store, "SUCCEEDED"),
      await finished(store, "DEAD"),
      await finished(store, "CANCELLED"),
    ];
    expect(await maintainAll(store, keepFor(spanMs))).toEqual({ requeued: 0, died: 0, pruned: 0 });
    await elapse(1.2);
    const kept = [await finished(store, "SUCCEEDED"), await finished(store, "DEAD")];
    expect(await maintainAll(store, keepFor(spanMs))).toEqual({ requeued: 0, died: 0, pruned: 3 });
    expect(await store.get(gone)).toEqual([null, null, null]);
    expect(await store.getDetail(gone[1] ?? "")).toBeNull();
    expect((await store.get(kept)).map((job) => job?.state)).toEqual(["SUCCEEDED", "DEAD"]);
    expect(await store.cancel(gone)).toEqual(["unknown", "unknown", "unknown"]);
    expect(await store.redrive(gone)).toEqual(["unknown", "unknown", "unknown"]);
    expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 1, DEAD: 1, CANCELLED: 0 });
    const { jobs } = await store.list({ limit: 10 });
    expect(jobs.map(({ jobId }) => jobId)).toEqual(kept.toReversed());
  });

  check(
    "M1 retention counts from the end of a job, not from its acceptance",
    async ({ store, spanMs, elapse }) => {
      const { jobId, session, attempt } = await start(store);
      await elapse(1.2);
      await store.settle(session, [{ jobId, attempt, as: "succeeded" }]);
      await maintainAll(store, keepFor(spanMs));
      expect((await jobOf(store, jobId)).state).toBe("SUCCEEDED");
      await elapse(1.2);
      expect(await maintainAll(store, keepFor(spanMs))).toMatchObject({ pruned: 1 });
    },
  );

  check("M2 a live job stays, however old it is", async ({ store, spanMs, elapse }) => {
    const redriven = await finished(store, "DEAD");
    const { jobId: running } = await start(store);
    const queued = await accept(store);
    const scheduled = await accept(store, { runAt: (await nowOf(store)) + longMs });
    await store.redrive([redriven]);
    await elapse(3);
    await maintainAll(store, keepFor(spanMs));
    const jobs = await store.get([redriven, running, queued, scheduled]);
    expect(jobs.map((job) => job?.state)).toEqual(["QUEUED", "RUNNING", "QUEUED", "QUEUED"]);
    expect(await store.claim(await store.openSession("worker", longMs), 10)).toHaveLength(2);
  });

  check("M3 a DEAD job outlives a SUCCEEDED one of its day", async ({ store, spanMs, elapse }) => {
    const done = await finished(store, "SUCCEEDED");
    const dead = await finished(store, "DEAD");
    const policy: Policy = { ...keepAll, keepMs: { SUCCEEDED: spanMs, DEAD: 3 * spanMs, CANCELLED: spanMs } };
    await elapse(1.2);
    expect(await maintainAll(store, policy)).toMatchObject({ pruned: 1 });
    expect((await store.get([done, dead])).map((job) => job?.state)).toEqual([undefined, "DEAD"]);
    await elapse(2);
    expect(await maintainAll(store, policy)).toMatchObject({ pruned: 1 });
    expect(await store.get([dead])).toEqual([null]);
  });

  check(
    "M4 the key goes with its job, and its event is new again, also in a store that was emptied",
    async ({ store, spanMs, elapse }) => {
      const event = newEvent();
      const seen = [await finished(store, "SUCCEEDED", event)];
      for (let life = 0; life < 3; life++) {
        expect((await append(store, event)).outcome).toBe("DUPLICATE");
        await elapse(1.2);
        expect(await maintainAll(store, keepFor(spanMs))).toMatchObject({ pruned: 1 });
        expect((await store.list({ limit: 10 })).jobs).toEqual([]);
        expect(await store.lookup([event])).toEqual([null]);
        expect(await store.find(event.tenant, [event.eventId])).toEqual([null]);
        const jobId = await finished(store, "DEAD", event);
        expect(await detailOf(store, jobId)).toMatchObject({ attempts: 1, errors: [{ attempt: 1 }] });
        expect(seen.every((id) => id < jobId)).toBe(true);
        expect(await store.get(seen)).toEqual(seen.map(() => null));
        seen.push(jobId);
      }
    },
  );

  check(
    "M4 no id comes back after the store was emptied and opened again",
    async ({ store, spanMs, elapse, reopen }) => {
      const event = newEvent();
      const before = await finished(store, "SUCCEEDED", event);
      await elapse(1.2);
      expect(await maintainAll(store, keepFor(spanMs))).toMatchObject({ pruned: 1 });
      const again = await reopen();
      const after = only(await acceptAll(again, [event]));
      expect(after > before).toBe(true);
      expect(await again.get([before])).toEqual([null]);
      const session = await again.openSession("worker", longMs);
      expect(await take(again, session)).toMatchObject({ jobId: after, attempt: 1 });
    },
  );

  check("M5 two maintainers at once do each thing once", async ({ store, second, spanMs, elapse }) => {
    const other = await second();
    const done = await acceptAll(store, newEvents(50));
    const settling = await store.openSession("worker", longMs);
    const leased = await store.claim(settling, 50);
    const verdicts = leased.map(({ jobId }) => verdictOn(jobId, endings.SUCCEEDED));
    await store.settle(settling, verdicts);
    const lost = await acceptAll(store, newEvents(50));
    expect(await store.claim(await store.openSession("lost", spanMs), 50)).toHaveLength(50);
    await elapse(1.2);
    const sums = await Promise.all([
      maintainAll(store, keepFor(spanMs)),
      maintainAll(other, keepFor(spanMs)),
    ]);
    expect(sums.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(50);
    expect(sums.reduce((sum, { pruned }) => sum + pruned, 0)).toBe(50);
    expect(await store.get(done)).toEqual(done.map(() => null));
    for (const jobId of lost) {
      const { state, errors } = await detailOf(store, jobId);
      expect([state, errors.length]).toEqual(["QUEUED", 1]);
    }
  });

  check("M7 opened again, everything is as it was", async ({ store, reopen }) => {
    const ids = [
      await finished(store, "DEAD"),
      await finished(store, "CANCELLED"),
      await finished(store, "SUCCEEDED"),
      await accept(store, { runAt: (await nowOf(store)) + longMs }),
      await accept(store),
    ];
    const details = await Promise.all(ids.map((jobId) => detailOf(store, jobId)));
    const { byState, scheduled } = await store.counts();
    await reopen();
    const again = await reopen();
    expect(await Promise.all(ids.map((jobId) => detailOf(again, jobId)))).toEqual(details);
    expect(await again.counts()).toMatchObject({ byState, scheduled });
    for (const { jobId, tenant, eventId, type, payload } of details) {
      const event = newEvent({ tenant, eventId, type, payload });
      expect(await append(again, event)).toEqual({ outcome: "DUPLICATE", jobId });
    }
    expect((await take(again, await again.openSession("worker", longMs))).jobId).toBe(ids[4]);
  });

  check("M7 close finishes what is in flight", async ({ store, reopen }) => {
    const events = newEvents(20);
    const appending = Promise.all(events.map((event) => append(store, event)));
    const again = await reopen();
    const answers = await appending;
    expect(await again.get(answers.map(({ jobId }) => jobId))).toMatchObject(
      events.map(({ eventId }) => ({ eventId })),
    );
  });

  check(
    "M11 a time to keep that is none is refused, and sessions end all the same",
    async ({ store, spanMs, elapse }) => {
      const done = await finished(store, "SUCCEEDED");
      for (const SUCCEEDED of [Number.NaN, -1, Infinity]) {
        const { jobId } = await start(store, { ttlMs: spanMs });
        await elapse(1.2);
        const maintained = store.maintain({ ...keepAll, keepMs: { ...keepAll.keepMs, SUCCEEDED } });
        await expect(maintained).rejects.toMatchObject({ reason: "invalid" });
        const job = await jobOf(store, jobId);
        expect(job).toMatchObject({ state: "QUEUED", lastError: "worker lost" });
        await store.cancel([jobId]);
      }
      expect((await jobOf(store, done)).state).toBe("SUCCEEDED");
    },
  );

  check("M9 a call does bounded work and says when there is more", async ({ store, spanMs, elapse }) => {
    const session = await store.openSession("worker", longMs);
    const size = Math.min(store.caps.maxBatch, 1000);
    const all = 6 * size;
    for (let batch = 0; batch < 6; batch++) {
      await acceptAll(store, newEvents(size));
      const leased = await store.claim(session, size);
      const verdicts = leased.map(({ jobId }) => verdictOn(jobId, endings.SUCCEEDED));
      await store.settle(session, verdicts);
    }
    await elapse(1.2);
    const kept = await accept(store);
    const first = await store.maintain(keepFor(spanMs));
    expect(first.pruned).toBeLessThan(all);
    expect(first.more).toBe(true);
    const rest = await maintainAll(store, keepFor(spanMs));
    expect(first.pruned + rest.pruned).toBe(all);
    expect(await store.maintain(keepFor(spanMs))).toEqual({ requeued: 0, died: 0, pruned: 0, more: false });
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, SUCCEEDED: 0 });
    expect((await jobOf(store, kept)).state).toBe("QUEUED");
  });
}

const keepFor = (ms: number): Policy => ({ ...keepAll, keepMs: { SUCCEEDED: ms, DEAD: ms, CANCELLED: ms } });
