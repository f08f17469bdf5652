import { setTimeout as sleep } from "node:timers/promises";
import { type Job, type JobSource, type JobStore, type NewEvent, StoreError } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { defineHandler, type HandlerFunction, Reject, RetryLater } from "./handler.ts";
import type { WorkerEvent } from "./observe.ts";
import type { WorkerOptions } from "./options.ts";
import { runWorker } from "./worker.ts";

// All of it through runWorker over a real store: what a worker does shows in the store, and in what it observes. One
// file, because every case is told in the words that these first functions are.

const policy = { workerLostLimit: 3, keepMs: { SUCCEEDED: 1e9, DEAD: 1e9, CANCELLED: 1e9 } };

/** A store whose clock can be moved, with ways to fill it and to look into it. Closed after the test. */
async function setup() {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
  onTestFinished(() => store.close());
  let events = 0;
  const add = async (event: Partial<NewEvent> = {}): Promise<string> => {
    events++;
    const payload = new TextEncoder().encode(`payload ${events}`);
    const basis = {
      tenant: "",
      eventId: `event ${events}`,
      type: "",
      payload,
      timestamp: 1n,
      maxAttempts: 3,
    };
    const [appended] = await store.append([{ ...basis, ...event }]);
    if (appended === undefined) throw new Error("not appended");
    return appended.jobId;
  };
  const job = async (jobId: string): Promise<Job> => {
    const [found] = await store.get([jobId]);
    if (found == null) throw new Error(`no job ${jobId}`);
    return found;
  };
  /** Ends all sessions that are open now. */
  const endSessions = async (leaseMs: number): Promise<void> => {
    Atomics.add(new BigInt64Array(clockOffset), 0, BigInt(leaseMs + 1));
    await store.maintain(policy);
  };
  return { store, add, job, endSessions };
}

/** Starts a worker with one handler for everything. Stopped after the test, before its store is closed. */
function start(source: JobSource, run: HandlerFunction, options: Partial<WorkerOptions> = {}) {
  const events: WorkerEvent[] = [];
  const watchers = new Set<() => void>();
  const stopping = new AbortController();
  const done = runWorker({
    source,
    handlers: [defineHandler("*", run)],
    retryBaseMs: 1,
    signal: stopping.signal,
    observe(event) {
      events.push(event);
      for (const watch of watchers) watch();
    },
    ...options,
  });
  const stop = () => {
    stopping.abort(new Error("stop"));
    return done;
  };
  onTestFinished(stop);
  const count = (kind: WorkerEvent["kind"]) => events.filter((event) => event.kind === kind).length;
  const settled = () => events.filter((event) => event.kind === "settled");
  /** Resolves when that many events of the kind were observed. */
  const until = (kind: WorkerEvent["kind"], times = 1): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = () => {
      if (count(kind) < times) return;
      watchers.delete(watch);
      resolve();
    };
    watchers.add(watch);
    watch();
    return promise;
  };
  return { stop, done, events, count, settled, until };
}

/** The store with some calls replaced. */
function wrap(store: JobStore, calls: Partial<JobSource>): JobSource {
  return {
    openSession: (...args) => store.openSession(...args),
    heartbeat: (...args) => store.heartbeat(...args),
    claim: (...args) => store.claim(...args),
    settle: (...args) => store.settle(...args),
    closeSession: (...args) => store.closeSession(...args),
    hints: (...args) => store.hints(...args),
    ...calls,
  };
}

/** `asked` resolves when a claim was answered. */
function watchClaims(store: JobStore): { source: JobSource; asked: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const source = wrap(store, { claim: (...args) => store.claim(...args).finally(resolve) });
  return { source, asked: promise };
}

const noHints: JobSource["hints"] = (signal) => ({
  [Symbol.asyncIterator]: () => ({ next: () => aborted(signal) }),
});

const unavailable = () => new StoreError("notApplied", "unavailable", "the disk is full");

/** Rejects with the reason when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const fail = () => reject(signal.reason);
  if (signal.aborted) fail();
  signal.addEventListener("abort", fail);
  return promise;
}

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

test("shutdown hands back what was not begun, free of charge, and lets the rest finish", async () => {
  const { store, add, job } = await setup();
  const jobIds = [await add(), await add(), await add(), await add()];
  const gate = Promise.withResolvers<void>();
  const worker = start(store, () => gate.promise, { concurrency: 2, drainMs: 60_000 });
  const states = async () => (await store.counts()).byState;
  await expect.poll(states, { timeout: 10_000 }).toMatchObject({ RUNNING: 4 });

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
    claim: async (...args) => (check(), store.claim(...args)),
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

test("a settle that was applied but not answered is repeated, and its job runs once", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  let lost = false;
  let runs = 0;
  const source = wrap(store, {
    async settle(session, verdicts) {
      const answers = await store.settle(session, verdicts);
      if (lost) return answers;
      lost = true;
      throw new StoreError("unknown", "unavailable", "no answer");
    },
  });
  const worker = start(source, async () => void runs++);
  await worker.until("verdict-lost");
  await worker.stop();
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(runs).toBe(1);
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
