import { setTimeout as sleep } from "node:timers/promises";
import { type JobSource, type JobStore, StoreError } from "@event-ingestion/store";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineHandler, type HandlerFunction, Reject } from "./handler.ts";
import { aborted, setup, start, unavailable, wrap } from "./testing/worker.ts";
import { runWorker } from "./worker.ts";

/** `asked` resolves when a claim was answered. */
function watchClaims(store: JobStore): { source: JobSource; asked: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const source = wrap(store, { claim: (session, max) => store.claim(session, max).finally(resolve) });
  return { source, asked: promise };
}

const noHints: JobSource["hints"] = (signal) => ({
  [Symbol.asyncIterator]: () => ({ next: () => aborted(signal) }),
});

test("a handler gets the event and its attempt, and its result is stored", async () => {
  const { store, add, job } = await setup();
  const calls: Parameters<HandlerFunction>[] = [];
  const payload = new TextEncoder().encode("\uFEFFgrün");
  const jobId = await add({
    eventId: "e",
    type: "t",
    payload,
    tenant: "acme",
    timestamp: -(2n ** 63n),
  });
  const worker = start(store, async (...args) => {
    calls.push(args);
    return `attempt ${args[1].attempt}`;
  });
  await worker.until("settled");
  const [event, context] = calls[0] ?? [];
  expect(event).toMatchObject({
    $typeName: "event.EventRequest",
    eventId: "e",
    type: "t",
    payload: "\uFEFFgrün",
    timestamp: -(2n ** 63n),
  });
  const { acceptedAt, state, result } = await job(jobId);
  expect(context).toMatchObject({
    jobId,
    attempt: 1,
    maxAttempts: 3,
    tenant: "acme",
    acceptedAt: new Date(acceptedAt),
  });
  expect(context?.signal.aborted).toBe(false);
  expect([state, new TextDecoder().decode(result)]).toEqual(["SUCCEEDED", "attempt 1"]);
  expect(worker.settled()).toEqual([
    { kind: "settled", outcome: "succeeded", jobId, type: "t", attempt: 1, durationMs: expect.any(Number) },
  ]);
});

test("an event goes to the handler of its type, else to the default handler, else its job is dead", async () => {
  const { store, add, job } = await setup();
  const own = defineHandler("own", async () => "own");
  const first = start(store, async () => undefined, { handlers: [own] });
  const [a, b] = [await add({ type: "own" }), await add({ type: "other" })];
  await first.until("settled", 2);
  expect(new TextDecoder().decode((await job(a)).result)).toBe("own");
  expect(await job(b)).toMatchObject({
    state: "DEAD",
    attempts: 1,
    lastError: 'no handler for type "other"',
  });
  await first.stop();

  const second = start(store, async () => undefined, {
    handlers: [own, defineHandler("*", async () => "default")],
  });
  const [c, d] = [await add({ type: "other" }), await add({ type: "" })];
  await second.until("settled", 2);
  for (const jobId of [c, d]) expect(new TextDecoder().decode((await job(jobId)).result)).toBe("default");
});

test("an idle worker takes a new event at the store's hint", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { store, add } = await setup();
  const { source, asked } = watchClaims(store);
  const worker = start(source, async () => undefined);
  await asked;
  await add();
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ outcome: "succeeded" }]);
});

test("an idle worker takes a new event without a hint as well", async () => {
  const { store, add } = await setup();
  const { source, asked } = watchClaims(store);
  const worker = start({ ...source, hints: noHints }, async () => undefined);
  await asked;
  await add();
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ outcome: "succeeded" }]);
});

test("an attempt that fails is repeated until it succeeds", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const worker = start(store, async (_event, { attempt }) => {
    if (attempt < 3) throw new Error(`failure ${attempt}`);
  });
  await worker.until("settled", 3);
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 3 });
  expect(worker.settled().map(({ outcome, error }) => [outcome, error])).toEqual([
    ["retry", "failure 1"],
    ["retry", "failure 2"],
    ["succeeded", undefined],
  ]);
});

test("a job whose budget is spent is dead", async () => {
  const { store, add, job } = await setup();
  const jobId = await add({ maxAttempts: 2 });
  const worker = start(store, async (_event, { attempt }) => {
    throw new Error(`failure ${attempt}`);
  });
  await worker.until("settled", 2);
  expect(await job(jobId)).toMatchObject({ state: "DEAD", attempts: 2, lastError: "failure 2" });
  expect(worker.settled().map(({ outcome }) => outcome)).toEqual(["retry", "dead"]);
});

test("Reject is the end at once", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const worker = start(store, async () => {
    throw new Reject("not a number");
  });
  await worker.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "DEAD", attempts: 1, lastError: "not a number" });
});

test("many jobs: each runs once, never more than allowed at once or held, in few calls", async () => {
  const { store } = await setup();
  const payload = new Uint8Array();
  const total = 600;
  const concurrency = 10;
  await store.append(
    Array.from({ length: total }, (_, index) => {
      return { tenant: "", eventId: `${index}`, type: "", payload, timestamp: 0n, maxAttempts: 1 };
    }),
  );
  const seen = new Set<string>();
  const most = { running: 0, held: 0 };
  let [running, held, calls] = [0, 0, 0];
  const source = wrap(store, {
    async claim(session, max) {
      calls++;
      const jobs = await store.claim(session, max);
      held += jobs.length;
      most.held = Math.max(most.held, held);
      return jobs;
    },
    async settle(session, verdicts) {
      calls++;
      const answers = await store.settle(session, verdicts);
      held -= verdicts.length;
      return answers;
    },
  });
  const worker = start(
    source,
    async ({ eventId }) => {
      seen.add(eventId);
      most.running = Math.max(most.running, ++running);
      if (Number(eventId) % 7 !== 0) await sleep(1);
      running--;
    },
    { concurrency },
  );
  await worker.until("settled", total);
  expect(seen.size).toBe(total);
  expect(most.running).toBe(concurrency);
  expect(most.held).toBeLessThanOrEqual(2 * concurrency);
  expect(calls).toBeLessThan(total);
  expect(worker.settled().every(({ outcome }) => outcome === "succeeded")).toBe(true);
});

test("a cancelled job that waits in the buffer never runs", async () => {
  const { store, add, job } = await setup();
  const [running, buffered] = [await add(), await add()];
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  const worker = start(
    store,
    async (_event, { jobId }) => {
      ran.push(jobId);
      await gate.promise;
    },
    { concurrency: 1, leaseMs: 3000 },
  );
  await expect.poll(() => job(buffered), { timeout: 10_000 }).toMatchObject({ state: "RUNNING" });
  await store.cancel([buffered]);
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ outcome: "cancelled", jobId: buffered, durationMs: 0 }]);
  gate.resolve();
  await worker.until("settled", 2);
  expect(ran).toEqual([running]);
});

test("shutdown hands back what was not begun, free of charge, and lets the rest finish", async () => {
  const { store, add, job } = await setup();
  const jobIds = [await add(), await add(), await add(), await add()];
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const handler = () => {
    begun++;
    return gate.promise;
  };
  const worker = start(store, handler, { concurrency: 2, drainMs: 60_000 });
  const states = async () => (await store.counts()).byState;
  await expect.poll(states, { timeout: 10_000 }).toMatchObject({ RUNNING: 4 });
  // The store says so before the worker has its jobs.
  await expect.poll(() => begun).toBe(2);

  const stopped = worker.stop();
  await worker.until("settled", 2);
  expect(worker.settled()).toMatchObject([
    { outcome: "released", jobId: jobIds[2] },
    { outcome: "released", jobId: jobIds[3] },
  ]);
  expect(await states()).toMatchObject({ RUNNING: 2, QUEUED: 2 });
  gate.resolve();
  await stopped;
  expect(await states()).toMatchObject({ SUCCEEDED: 2, QUEUED: 2 });
  for (const jobId of jobIds.slice(2)) {
    const { attempts, maxAttempts, lastError } = await job(jobId);
    expect([maxAttempts - attempts, lastError]).toEqual([3, undefined]);
  }
  expect((await store.counts()).workers).toEqual([]);
  expect(worker.events.at(-1)).toEqual({ kind: "stopped" });
});

test("shutdown interrupts what does not finish in time, free of charge", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const begun = Promise.withResolvers<AbortSignal>();
  const worker = start(
    store,
    (_event, { signal }) => {
      begun.resolve(signal);
      return Promise.withResolvers<never>().promise;
    },
    { drainMs: 50 },
  );
  const signal = await begun.promise;
  await worker.stop();
  expect(signal.reason).toMatchObject({ name: "AbortError", message: "the worker is shutting down" });
  expect(worker.settled()).toMatchObject([{ outcome: "released", jobId }]);
  const { state, attempts, maxAttempts } = await job(jobId);
  expect([state, maxAttempts - attempts]).toEqual(["QUEUED", 3]);
});

test("shutdown does not wait longer than a lease for a store that takes no verdicts", async () => {
  const { store, add } = await setup();
  await add();
  const worker = start(wrap(store, { settle: () => Promise.reject(unavailable()) }), async () => undefined, {
    leaseMs: 400,
    drainMs: 50,
  });
  await worker.until("store-error");
  await worker.stop();
  expect(worker.settled()).toEqual([]);
  expect(worker.events.slice(-2)).toMatchObject([{ kind: "session-lost" }, { kind: "stopped" }]);
});

test("a signal that is aborted from the start calls nothing", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  const worker = start(store, async () => undefined, { signal: AbortSignal.abort(new Error("stop")) });
  await worker.done;
  expect(worker.events).toEqual([{ kind: "stopped" }]);
  expect(await job(jobId)).toMatchObject({ state: "QUEUED", attempts: 0 });
});

test("a worker outlives a store that is unavailable for a while, and does not press it", async () => {
  const { store, add, job } = await setup();
  let broken = true;
  const check = () => {
    if (broken) throw unavailable();
  };
  const source = wrap(store, {
    openSession: async (...args) => (check(), store.openSession(...args)),
    heartbeat: async (...args) => (check(), store.heartbeat(...args)),
    claim: async (session, max) => (check(), store.claim(session, max)),
    settle: async (...args) => (check(), store.settle(...args)),
  });
  const gate = Promise.withResolvers<void>();
  const worker = start(source, () => gate.promise, { leaseMs: 3000, concurrency: 2 });
  const errors = (call: string) =>
    worker.events.filter((event) => event.kind === "store-error" && event.call === call).length;

  await expect.poll(() => errors("openSession"), { timeout: 10_000 }).toBeGreaterThan(1);
  broken = false;
  await worker.until("started");
  const jobIds = [await add(), await add()];
  const states = async () => (await store.counts()).byState;
  await expect.poll(states, { timeout: 10_000 }).toMatchObject({ RUNNING: 2 });

  broken = true;
  gate.resolve();
  await expect.poll(() => errors("settle"), { timeout: 10_000 }).toBeGreaterThan(1);
  await expect.poll(() => errors("claim"), { timeout: 10_000 }).toBeGreaterThan(1);
  await expect.poll(() => errors("heartbeat"), { timeout: 10_000 }).toBeGreaterThan(0);
  broken = false;
  await worker.until("settled", 2);
  for (const jobId of jobIds) expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(worker.count("store-error")).toBeLessThan(60);
});

test.for(["corrupt", "incompatible", "invalid"] as const)(
  "a store that is %s cannot be worked on",
  async (reason) => {
    const { store } = await setup();
    const error = new StoreError("notApplied", reason, "events.db is no store");
    const source = wrap(store, { openSession: () => Promise.reject(error) });
    const handlers = [defineHandler("*", async () => undefined)];
    const { signal } = new AbortController();
    await expect(runWorker({ source, handlers, signal })).rejects.toBe(error);
  },
);

test("a session that cannot be closed does not keep the worker", async () => {
  const { store } = await setup();
  const worker = start(
    wrap(store, { closeSession: () => Promise.reject(unavailable()) }),
    async () => undefined,
  );
  await worker.until("started");
  await worker.stop();
  expect(worker.events.at(-2)).toMatchObject({ kind: "store-error", call: "closeSession" });
});
