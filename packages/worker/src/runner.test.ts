import { expect, test } from "vitest";
import { defineHandler, RetryLater } from "./handler.ts";
import { aborted, setup, start } from "./testing/worker.ts";

test("RetryLater is never earlier than asked for", async () => {
  const { store, add, job, endSessions } = await setup();
  const jobId = await add();
  let thrownAt = 0;
  const worker = start(store, async (_event, { attempt }) => {
    if (attempt > 1) return;
    thrownAt = Date.now();
    throw new RetryLater(40_000, "bank closed");
  });
  await worker.until("settled");
  const { state, nextAttemptAt, lastError } = await job(jobId);
  expect([state, lastError]).toEqual(["QUEUED", "bank closed"]);
  expect(nextAttemptAt).toBeGreaterThanOrEqual(thrownAt + 40_000);
  await worker.stop();

  await endSessions(41_000);
  const later = start(store, async () => undefined);
  await later.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 2 });
});

test.for<[string, unknown, string]>([
  ["a number", 42, "a handler must return a text or nothing, got a value of type number"],
  ["70,000 bytes", "x".repeat(70_000), "the result of a handler must be at most 65536 bytes, got 70000"],
])("a handler that returns %s fails its attempt", async ([, returned, lastError]) => {
  const { store, add, job } = await setup();
  const jobId = await add({ maxAttempts: 1 });
  const run = () => Promise.resolve(returned);
  const worker = start(store, async () => undefined, {
    handlers: [
      Object.assign(
        defineHandler("*", async () => undefined),
        { run },
      ),
    ],
  });
  await worker.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "DEAD", lastError });
});

test("a handler that throws before it returns a promise fails its attempt", async () => {
  const { store, add, job } = await setup();
  const jobId = await add({ maxAttempts: 1 });
  const worker = start(store, () => {
    throw new Error("at once");
  });
  await worker.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "DEAD", lastError: "at once" });
});

test("a cancelled job that runs is told so, and is cancelled when its handler throws", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const begun = Promise.withResolvers<AbortSignal>();
  const worker = start(
    store,
    (_event, { signal }) => {
      begun.resolve(signal);
      return aborted(signal);
    },
    { leaseMs: 3000 },
  );
  const signal = await begun.promise;
  expect(await store.cancel([jobId])).toEqual(["requested"]);
  await worker.until("settled");
  expect(signal.reason).toMatchObject({ name: "AbortError", message: "the job was cancelled" });
  expect(worker.settled()).toMatchObject([{ outcome: "cancelled", jobId }]);
  expect(await job(jobId)).toMatchObject({ state: "CANCELLED" });
});

test("a cancelled job whose handler succeeds nevertheless is a success", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const begun = Promise.withResolvers<void>();
  const worker = start(
    store,
    async (_event, { signal }) => {
      begun.resolve();
      await aborted(signal).catch(() => undefined);
      return "done all the same";
    },
    { leaseMs: 3000 },
  );
  await begun.promise;
  await store.cancel([jobId]);
  await worker.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED" });
});

test("an attempt that takes too long is over, even if its handler goes on", async () => {
  const { store, add, job } = await setup();
  const [slow, quick] = [await add({ eventId: "slow" }), await add({ eventId: "quick" })];
  const end = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const worker = start(
    store,
    async ({ eventId }, { signal }) => {
      if (eventId === "quick") return "quick";
      signals.push(signal);
      return end.promise;
    },
    { concurrency: 1, handlerTimeoutMs: 100, retryBaseMs: 60_000 },
  );
  await worker.until("settled", 2);
  expect(worker.settled()).toMatchObject([
    { outcome: "retry", jobId: slow, error: "handler timed out after 100 ms" },
    { outcome: "succeeded", jobId: quick },
  ]);
  expect(worker.settled()[0]?.durationMs).toBeGreaterThanOrEqual(100);
  expect(signals.map(({ reason }) => reason)).toMatchObject([
    { name: "TimeoutError", message: "handler timed out after 100 ms" },
  ]);
  const waiting = await job(slow);
  expect(waiting).toMatchObject({
    state: "QUEUED",
    attempts: 1,
    lastError: "handler timed out after 100 ms",
  });
  expect(worker.count("abandoned")).toBe(1);

  end.resolve("at last");
  await worker.until("ended-late");
  await worker.stop();
  expect(await job(slow)).toEqual(waiting);
});
