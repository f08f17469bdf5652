import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { holdLease } from "./lease.ts";
import { aborted, setup, start, wrap } from "../testing/worker.ts";

test("of two workers, one paused past its lease, exactly one completion counts", async () => {
  const { store, add, job, endSessions } = await setup();
  const jobId = await add();
  const pause = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  // With a lease of an hour it sends no heartbeat during the test, as if its process stood still.
  const leaseMs = 3_600_000;
  const paused = start(
    store,
    () => {
      begun.resolve();
      return pause.promise;
    },
    { leaseMs, name: "paused" },
  );
  await begun.promise;
  await endSessions(leaseMs);

  const other = start(store, async () => "by the other", { name: "other" });
  await other.until("settled");
  const after = await job(jobId);
  expect(after).toMatchObject({ state: "SUCCEEDED", attempts: 2 });
  expect(new TextDecoder().decode(after.result)).toBe("by the other");

  pause.resolve("too late");
  await paused.until("verdict-lost");
  expect(await job(jobId)).toEqual(after);
  expect(paused.settled()).toEqual([]);
});

test("a lost session aborts its handlers, and the worker goes on with a new one", async () => {
  const { store, add, job, endSessions } = await setup();
  const jobId = await add();
  const first = Promise.withResolvers<AbortSignal>();
  const late = Promise.withResolvers<string>();
  const leaseMs = 3000;
  const worker = start(
    store,
    async (_event, { attempt, signal }) => {
      if (attempt > 1) return "second";
      first.resolve(signal);
      return late.promise;
    },
    { leaseMs },
  );
  const signal = await first.promise;
  await endSessions(leaseMs);
  await worker.until("settled");
  expect(signal.reason).toMatchObject({
    name: "AbortError",
    message: "the worker lost its session: the job may run elsewhere",
  });
  expect(worker.events.find(({ kind }) => kind === "session-lost")).toMatchObject({
    reason: "the store ended it",
  });
  expect(worker.count("started")).toBe(2);
  expect(worker.events).toContainEqual({ kind: "abandoned", why: "lost", jobId, type: "", attempt: 1 });

  late.resolve("first");
  await worker.until("ended-late");
  await worker.stop();
  const { state, attempts, result } = await job(jobId);
  expect([state, attempts, new TextDecoder().decode(result)]).toEqual(["SUCCEEDED", 2, "second"]);
});

test("a session without a heartbeat for a whole lease is given up, however the call hangs", async () => {
  const { store, add } = await setup();
  await add();
  let opened = 0;
  const source = wrap(store, {
    openSession: (...args) => {
      opened++;
      return store.openSession(...args);
    },
    heartbeat: (session) =>
      opened === 1 ? Promise.withResolvers<never>().promise : store.heartbeat(session),
  });
  const reasons: unknown[] = [];
  const worker = start(
    source,
    (_event, { signal }) =>
      aborted(signal).catch((reason: unknown) => {
        reasons.push(reason);
        throw reason;
      }),
    { leaseMs: 400, drainMs: 0 },
  );
  await worker.until("started", 2);
  expect(worker.events.find(({ kind }) => kind === "session-lost")).toMatchObject({
    reason: "no heartbeat succeeded within 400 ms",
  });
  expect(worker.settled()).toEqual([]);
  await worker.until("ended-late");
  expect(reasons).toHaveLength(1);
});

test("a lease is counted from when a heartbeat was sent, not from its answer, which may be slow", async () => {
  const session = { id: "s", ttlMs: 600 };
  const never = Promise.withResolvers<never>().promise;
  const lateAnswer = { lost: false, cancelRequested: [] };
  let sentAt: number | undefined;
  const tooLate = Promise.withResolvers<string>();
  const heartbeat = (): Promise<{ lost: boolean; cancelRequested: string[] }> => {
    if (sentAt !== undefined) return never;
    sentAt = performance.now();
    // Node ends timers in the order in which they are due, however late it is.
    setTimeout(tooLate.resolve, session.ttlMs + 150, "later than a lease after the heartbeat");
    return sleep(300, lateAnswer);
  };
  const over = new AbortController();
  const lost = holdLease({
    source: { ...(await setup()).store, heartbeat },
    session,
    openedAt: performance.now(),
    onCancelRequested: () => undefined,
    observe: () => undefined,
    renewing: over.signal,
    over: over.signal,
  });
  expect(await Promise.race([lost, tooLate.promise])).toBe("no heartbeat succeeded within 600 ms");
  // Within a millisecond, as timers go: the first heartbeat has counted.
  expect(performance.now() - (sentAt ?? Infinity)).toBeGreaterThanOrEqual(session.ttlMs - 1);
  over.abort(new Error("the test is over"));
});
