import { expect, test } from "vitest";
import { defineHandler, Reject, RetryLater } from "../handler.ts";
import { aborted, setup, start } from "../testing/worker.ts";

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
  // A timer counts whole milliseconds, and may end within its last one.
  expect(worker.settled()[0]?.durationMs).toBeGreaterThanOrEqual(99);
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

const refuse = () => {
  throw new Error("do not look");
};
const traps = { get: refuse, has: refuse, getPrototypeOf: refuse, getOwnPropertyDescriptor: refuse };
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable(new Error("revoked"), {});
  revoke();
  return proxy;
};

test.for<[string, () => unknown]>([
  ["a RetryLater of NaN", () => Object.assign(new RetryLater(1), { delayMs: Number.NaN })],
  ["a RetryLater without end", () => Object.assign(new RetryLater(1), { delayMs: Number.POSITIVE_INFINITY })],
  ["a RetryLater of a bigint", () => Object.assign(new RetryLater(1), { delayMs: 5n })],
  ["a RetryLater of a symbol", () => Object.assign(new RetryLater(1), { delayMs: Symbol("later") })],
  [
    "a RetryLater that does not say when",
    () => Object.defineProperty(new RetryLater(1), "delayMs", { get: refuse }),
  ],
  [
    "a Reject that does not say why",
    () => Object.defineProperty(new Reject("x"), "message", { get: refuse }),
  ],
  ["a proxy that throws", () => new Proxy(new Error("hostile"), traps)],
  ["a revoked proxy", revoked],
  ["an object whose toString throws", () => ({ toString: refuse })],
  ["null", () => null],
  ["undefined", () => undefined],
])("a handler that throws %s fails its attempt and nothing else", async ([, make]) => {
  const { add, job, store } = await setup();
  const bad = await add({ type: "bad", maxAttempts: 1 });
  const good = await add();
  const worker = start(store, async ({ type }) => {
    if (type === "bad") throw make();
  });
  await worker.until("settled", 2);
  expect(await job(bad)).toMatchObject({ state: "DEAD", attempts: 1, lastError: expect.any(String) });
  expect(await job(good)).toMatchObject({ state: "SUCCEEDED" });
  expect(worker.count("store-error")).toBe(0);
});
