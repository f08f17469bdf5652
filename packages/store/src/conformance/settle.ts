import { expect } from "vitest";
import type { JobStore, Session } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  bytes,
  detailOf,
  type Ending,
  longMs,
  jobOf,
  keepAll,
  maintainAll,
  newEvents,
  nowOf,
  only,
  start,
  take,
  unknownId,
  verdictOn,
} from "./steps.ts";

/** What a verdict does, and whose verdict counts. */
export function settleCases(check: Case): void {
  check("S1 succeeded, with and without a result", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(3));
    const session = await store.openSession("worker", longMs);
    const results = [bytes("done ✓"), new Uint8Array(65_536).fill(0x62), undefined];
    const endings = results.map((result): Ending =>
      result ? { as: "succeeded", result } : { as: "succeeded" },
    );
    await store.claim(session, 3);
    const verdicts = endings.map((ending, index) => verdictOn(ids[index] ?? "", ending));
    expect(await store.settle(session, verdicts)).toEqual(["ok", "ok", "ok"]);
    const jobs = await store.get(ids);
    expect(jobs.map((job) => job?.state)).toEqual(["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
    expect(jobs.map((job) => job?.result?.byteLength)).toEqual([8, 65_536, undefined]);
    expect(Buffer.from(jobs[0]?.result ?? []).toString()).toBe("done ✓");
    for (const job of jobs) expect(job?.finishedAt).toBeGreaterThanOrEqual(job?.acceptedAt ?? Infinity);
    expect((await store.counts()).byState).toMatchObject({ RUNNING: 0, SUCCEEDED: 3 });
  });

  // An engine may settle neighbours together, and what it keeps of them apart.
  check("S1 each of many neighbours gets its own result, a lost verdict none", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(130));
    const session = await store.openSession("worker", longMs);
    expect(await store.claim(session, 130)).toHaveLength(130);
    const verdicts = ids.map((jobId, index) => {
      const result = resultOf(index);
      const ending: Ending = result ? { as: "succeeded", result } : { as: "succeeded" };
      return verdictOn(jobId, ending, index === 59 ? 2 : 1);
    });
    const unknown = verdictOn(unknownId, { as: "succeeded", result: bytes("nobody's") });
    const answers = await store.settle(session, [unknown, ...verdicts]);
    expect(answers).toEqual(["lost", ...ids.map((_, index) => (index === 59 ? "lost" : "ok"))]);
    const results = (await store.get(ids)).map((job) => job?.result && Buffer.from(job.result).toString());
    const expected = ids.map((_, index) => (index === 59 ? undefined : resultOf(index)));
    expect(results).toEqual(expected.map((result) => result && Buffer.from(result).toString()));
  });

  check("S2 a retry is due after its delay, on the engine's clock", async ({ store, spanMs, elapse }) => {
    const { jobId, session, attempt } = await start(store);
    const before = await nowOf(store);
    const verdict = { as: "retry", delayMs: spanMs, error: "again" } as const;
    expect(await store.settle(session, [{ jobId, attempt, ...verdict }])).toEqual(["ok"]);
    const after = await nowOf(store);
    const job = await jobOf(store, jobId);
    expect(job).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 12, lastError: "again" });
    expect(job.nextAttemptAt).toBeGreaterThanOrEqual(before + spanMs);
    expect(job.nextAttemptAt).toBeLessThanOrEqual(after + spanMs);
    expect(await store.claim(session, 1)).toEqual([]);
    await elapse();
    expect(await take(store, session)).toMatchObject({ jobId, attempt: 2 });
  });

  check("S3 a retry past the budget is DEAD and its error is kept", async ({ store }) => {
    const { jobId, session, attempt } = await start(store, { maxAttempts: 2 });
    const verdict = { as: "retry", delayMs: 0 } as const;
    await store.settle(session, [{ jobId, attempt, ...verdict, error: "first" }]);
    await take(store, session);
    expect(await store.settle(session, [{ jobId, attempt: 2, ...verdict, error: "second" }])).toEqual(["ok"]);
    const job = await detailOf(store, jobId);
    expect(job).toMatchObject({ state: "DEAD", attempts: 2, lastError: "second" });
    expect(job.errors.map(({ error }) => error)).toEqual(["first", "second"]);
    expect(job.nextAttemptAt).toBeUndefined();
  });

  check("S4 dead is at once, whatever the budget", async ({ store }) => {
    const { jobId, session, attempt } = await start(store);
    const verdict = { as: "dead", error: "never" } as const;
    expect(await store.settle(session, [{ jobId, attempt, ...verdict }])).toEqual(["ok"]);
    expect(await jobOf(store, jobId)).toMatchObject({ state: "DEAD", attempts: 1, lastError: "never" });
    expect(await store.claim(session, 1)).toEqual([]);
  });

  check("S4 errors are cut to 4,096 bytes and freed of U+0000", async ({ store }) => {
    const { jobId, session, attempt } = await start(store);
    await store.settle(session, [{ jobId, attempt, as: "dead", error: `a\0b${"é".repeat(5000)}` }]);
    const { lastError = "" } = await jobOf(store, jobId);
    expect(lastError.startsWith("a")).toBe(true);
    expect(lastError).not.toContain("\0");
    expect(lastError.isWellFormed()).toBe(true);
    expect(Buffer.byteLength(lastError)).toBeLessThanOrEqual(4096);
    expect(Buffer.byteLength(lastError)).toBeGreaterThan(4000);
  });

  check(
    "S7 a second verdict is lost and changes nothing, in a later call and in the same",
    async ({ store }) => {
      const ids = await acceptAll(store, newEvents(3));
      const session = await store.openSession("worker", longMs);
      await store.claim(session, 3);
      const first = ids.map((jobId) => verdictOn(jobId, { as: "succeeded" }));
      const twice = [verdictOn(ids[1] ?? "", { as: "dead", error: "late" })];
      expect(await store.settle(session, [...first, ...twice])).toEqual(["ok", "ok", "ok", "lost"]);
      const settled = await store.get(ids);
      expect(await store.settle(session, first)).toEqual(["lost", "lost", "lost"]);
      expect(await store.settle(session, twice)).toEqual(["lost"]);
      expect(await store.get(ids)).toEqual(settled);
      expect(settled.map((job) => job?.state)).toEqual(["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
      expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 3, DEAD: 0 });
    },
  );

  check(
    "S8 a verdict after expiry counts until maintain has ended the session",
    async ({ store, spanMs, elapse }) => {
      const { jobId, session, attempt } = await start(store, { ttlMs: spanMs });
      await elapse();
      expect(await store.settle(session, [{ jobId, attempt, as: "succeeded" }])).toEqual(["ok"]);
      expect(await maintainAll(store)).toMatchObject({ requeued: 0, died: 0 });
      expect((await jobOf(store, jobId)).state).toBe("SUCCEEDED");
    },
  );

  check("S9 a verdict after maintain has ended the session is lost", async ({ store, spanMs, elapse }) => {
    const { jobId, session, attempt } = await start(store, { ttlMs: spanMs });
    await elapse();
    await store.maintain(keepAll);
    const requeued = await jobOf(store, jobId);
    expect(await store.settle(session, [{ jobId, attempt, as: "succeeded" }])).toEqual(["lost"]);
    expect(await jobOf(store, jobId)).toEqual(requeued);
    expect((await take(store, await store.openSession("next", longMs))).jobId).toBe(jobId);
  });

  check("S10 a mixed batch is answered by position and each item stands alone", async ({ store }) => {
    const ids = await acceptAll(store, newEvents(6));
    const session = await store.openSession("worker", longMs);
    await store.claim(session, 6);
    const endings: Ending[] = [
      { as: "succeeded" },
      { as: "retry", delayMs: longMs, error: "later" },
      { as: "dead", error: "no" },
      { as: "cancelled" },
      { as: "release" },
      { as: "succeeded", result: bytes("yes") },
    ];
    const verdicts = endings.map((ending, index) => verdictOn(ids[index] ?? "", ending));
    const unknown = verdictOn(unknownId, { as: "succeeded" });
    const stale = verdictOn(ids[0] ?? "", { as: "succeeded" }, 9);
    const batch = [unknown, ...verdicts.slice(0, 3), stale, ...verdicts.slice(3)];
    expect(await store.settle(session, batch)).toEqual(["lost", "ok", "ok", "ok", "lost", "ok", "ok", "ok"]);
    const states = (await store.get(ids)).map((job) => job?.state);
    expect(states).toEqual(["SUCCEEDED", "QUEUED", "DEAD", "CANCELLED", "QUEUED", "SUCCEEDED"]);
    expect(await store.settle(session, [])).toEqual([]);
  });

  check(
    "S12 a failed attempt leaves one error, a success none, and the last 20 attempts are kept",
    async ({ store }) => {
      const jobId = await accept(store, { maxAttempts: 30 });
      const session = await store.openSession("worker", longMs);
      for (let attempt = 1; attempt <= 25; attempt++) {
        await fail(store, session, { attempt, error: `error ${attempt}` });
      }
      const { attempt } = await take(store, session);
      await store.settle(session, [{ jobId, attempt, as: "succeeded" }]);
      const job = await detailOf(store, jobId);
      expect(job).toMatchObject({ state: "SUCCEEDED", attempts: 26, lastError: "error 25" });
      const kept = Array.from({ length: 20 }, (_, index) => index + 6);
      expect(job.errors.map((failure) => failure.attempt)).toEqual(kept);
      expect(job.errors.map(({ error }) => error)).toEqual(kept.map((number) => `error ${number}`));
      const times = job.errors.map(({ at }) => at);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[0]).toBeGreaterThanOrEqual(job.acceptedAt);
    },
  );
}

async function fail(
  store: JobStore,
  session: Session,
  { attempt, error }: { attempt: number; error: string },
): Promise<void> {
  const leased = await take(store, session);
  expect(leased.attempt).toBe(attempt);
  const verdict = { jobId: leased.jobId, attempt, as: "retry", delayMs: 0, error } as const;
  expect(only(await store.settle(session, [verdict]))).toBe("ok");
}

/** None, an empty one, or one of its own. */
function resultOf(index: number): Uint8Array | undefined {
  return [undefined, bytes(""), bytes(`${index}`)][index % 3];
}
