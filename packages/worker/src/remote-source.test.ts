import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { WorkerService } from "@event-ingestion/api/worker/v1";
import type { JobStore } from "@event-ingestion/store";
import { describe, expect, test } from "vitest";
import { defineHandler, type HandlerFunction } from "./handler.ts";
import { remoteSource } from "./remote-source.ts";
import { remote, serve, startProxy } from "./testing/server.ts";
import { aborted, setup, start } from "./testing/worker.ts";
import { runWorker } from "./worker.ts";

// runWorker over a server on a port: what the store shows afterwards must be what a worker in process leaves there.

const text = (bytes: Uint8Array | undefined) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const states = async (store: JobStore) => (await store.counts()).byState;

/** Resolves when a claim waits on the server. */
const isWaiting = (store: JobStore) =>
  expect.poll(async () => (await store.counts()).workers.length, { timeout: 10_000 }).toBe(1);

describe.each([
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ["Connect over HTTP/1.1", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  [
    "Connect JSON over HTTP/2",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  ],
  ["gRPC-Web over HTTP/1.1", (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
])("over %s", (_name, connect) => {
  test("a handler gets the event and its attempt, and its result is stored", async () => {
    const { store, add, job } = await setup();
    const { url } = await serve(store);
    const calls: Parameters<HandlerFunction>[] = [];
    const worker = start(remoteSource(connect(url)), async (...args) => {
      calls.push(args);
      return `\uFEFFattempt ${args[1].attempt}`;
    });
    await isWaiting(store);
    const payload = new TextEncoder().encode("\uFEFFgrün\0");
    const jobId = await add({ eventId: "e", type: "t", payload, tenant: "acme", timestamp: -(2n ** 63n) });
    await worker.until("settled");
    const [event, context] = calls[0] ?? [];
    expect(event).toMatchObject({
      eventId: "e",
      type: "t",
      payload: "\uFEFFgrün\0",
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
    expect([state, text(result)]).toEqual(["SUCCEEDED", "\uFEFFattempt 1"]);
  });
});

test("retries, dead letters and unknown types end as they do in process", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  const [retried, spent, unknown] = [await add({ type: "retry" }), await add({ type: "fail" }), await add()];
  const worker = start(remote(url), async () => undefined, {
    handlers: [
      defineHandler("retry", async (_event, { attempt }) => {
        if (attempt < 3) throw new Error(`failure ${attempt}`);
      }),
      defineHandler("fail", async () => Promise.reject(new Error("never"))),
    ],
  });
  await worker.until("settled", 7);
  expect(await job(retried)).toMatchObject({ state: "SUCCEEDED", attempts: 3 });
  expect(await job(spent)).toMatchObject({ state: "DEAD", attempts: 3, lastError: "never" });
  expect(await job(unknown)).toMatchObject({ state: "DEAD", lastError: 'no handler for type ""' });
});

test("of two workers, one paused past its lease, exactly one completion counts", async () => {
  const { store, add, job, endSessions } = await setup();
  const { url } = await serve(store);
  const jobId = await add();
  const pause = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  // With a lease of ten minutes it sends no heartbeat during the test, as if its process stood still.
  const leaseMs = 600_000;
  const stuck = async () => {
    begun.resolve();
    return pause.promise;
  };
  const paused = start(remote(url), stuck, { leaseMs, name: "paused" });
  await begun.promise;
  await endSessions(leaseMs);

  const other = start(remote(url), async () => "by the other", { name: "other" });
  await other.until("settled");
  const after = await job(jobId);
  expect(after).toMatchObject({ state: "SUCCEEDED", attempts: 2 });
  expect(text(after.result)).toBe("by the other");

  pause.resolve("too late");
  await paused.until("verdict-lost");
  expect(await job(jobId)).toEqual(after);
  expect(paused.settled()).toEqual([]);
});

test("a lost session aborts its handlers, and the worker goes on with a new one", async () => {
  const { store, add, job, endSessions } = await setup();
  const { url } = await serve(store);
  const jobId = await add();
  const first = Promise.withResolvers<AbortSignal>();
  const worker = start(
    remote(url),
    async (_event, { attempt, signal }) => {
      if (attempt > 1) return "second";
      first.resolve(signal);
      return aborted(signal);
    },
    { leaseMs: 5000 },
  );
  const signal = await first.promise;
  await endSessions(5000);
  await worker.until("settled");
  expect(signal.reason).toMatchObject({ message: "the worker lost its session: the job may run elsewhere" });
  const { state, attempts, result } = await job(jobId);
  expect([state, attempts, text(result)]).toEqual(["SUCCEEDED", 2, "second"]);
});

test("a cancelled job that runs is told so by a heartbeat", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  const jobId = await add();
  const begun = Promise.withResolvers<void>();
  const worker = start(
    remote(url),
    (_event, { signal }) => {
      begun.resolve();
      return aborted(signal);
    },
    { leaseMs: 5000 },
  );
  await begun.promise;
  expect(await store.cancel([jobId])).toEqual(["requested"]);
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ outcome: "cancelled", jobId }]);
  expect(await job(jobId)).toMatchObject({ state: "CANCELLED" });
});

test("shutdown hands back what was not begun, lets the rest finish, and waits for no claim", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  const jobIds = [await add(), await add(), await add(), await add()];
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const run = () => {
    begun.resolve();
    return gate.promise;
  };
  const worker = start(remote(url), run, { concurrency: 2, drainMs: 60_000 });
  await begun.promise;
  expect(await states(store)).toMatchObject({ RUNNING: 4 });
  const stopped = worker.stop();
  await worker.until("settled", 2);
  expect(await states(store)).toMatchObject({ RUNNING: 2, QUEUED: 2 });
  gate.resolve();
  await stopped;
  expect(await states(store)).toMatchObject({ SUCCEEDED: 2, QUEUED: 2 });
  for (const jobId of jobIds.slice(2)) {
    const { attempts, maxAttempts } = await job(jobId);
    expect(maxAttempts - attempts).toBe(3);
  }
  expect((await store.counts()).workers).toEqual([]);
  expect(worker.count("store-error")).toBe(0);
});

test("an idle worker that is stopped leaves no session and no claim behind", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  let claims = 0;
  const count: Interceptor = (next) => async (request) => {
    if (request.method !== WorkerService.method.claim) return next(request);
    claims++;
    return next(request).finally(() => claims--);
  };
  const worker = start(remote(url, [count]), async () => undefined);
  await isWaiting(store);
  await expect.poll(() => claims, { timeout: 10_000 }).toBe(1);
  await worker.stop();
  expect(claims).toBe(0);
  expect((await store.counts()).workers).toEqual([]);
  const jobId = await add();
  expect(await job(jobId)).toMatchObject({ state: "QUEUED", attempts: 0 });
  expect(worker.events).toMatchObject([{ kind: "started" }, { kind: "draining" }, { kind: "stopped" }]);
});

test("a server that restarts: what runs is settled after it, as the first attempt, and the next event is taken", async () => {
  const { store, add, job } = await setup();
  const first = await serve(store);
  const running = await add();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<string>();
  const worker = start(remote(first.url), async (_event, { jobId }) => {
    if (jobId !== running) return "after";
    begun.resolve();
    return gate.promise;
  });
  await begun.promise;
  await first.server.close();
  gate.resolve("across");
  await worker.until("store-error", 3);
  expect(await job(running)).toMatchObject({ state: "RUNNING" });

  await serve(store, first.port);
  await worker.until("settled");
  const { state, attempts, result } = await job(running);
  expect([state, attempts, text(result)]).toEqual(["SUCCEEDED", 1, "across"]);
  const next = await add();
  await worker.until("settled", 2);
  expect(await job(next)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(worker.count("session-lost")).toBe(0);
  expect(worker.count("store-error")).toBeLessThan(60);
});

test("a server that is not there yet is waited for", async () => {
  const { store, add, job } = await setup();
  const gone = await serve(store);
  await gone.server.close();
  const jobId = await add();
  const worker = start(remote(gone.url), async () => undefined);
  await worker.until("store-error", 2);
  await serve(store, gone.port);
  await worker.until("settled");
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
});

test("when one of two servers dies, the other one takes over its sessions", async () => {
  const { store, add, job } = await setup();
  const [a, b] = [await serve(store), await serve(store)];
  const proxy = await startProxy(a.port);
  const running = await add();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<string>();
  const worker = start(remote(proxy.url), async (_event, { jobId }) => {
    if (jobId !== running) return "after";
    begun.resolve();
    return gate.promise;
  });
  await begun.promise;
  proxy.switchTo(undefined);
  await worker.until("store-error");
  proxy.switchTo(b.port);
  gate.resolve("across");
  const next = await add();
  await worker.until("settled", 2);
  for (const jobId of [running, next]) {
    expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  }
  expect(worker.count("session-lost")).toBe(0);
});

/** Loses the answers to the first claims that brought jobs. */
function loseAnswers(count: number): Interceptor {
  let left = count;
  return (next) => async (request) => {
    const response = await next(request);
    const isClaim = request.method === WorkerService.method.claim && !response.stream;
    if (!isClaim || left === 0 || !("jobs" in response.message)) return response;
    left--;
    throw new ConnectError("the connection broke", Code.Unavailable);
  };
}

test("jobs whose claim was answered to nobody run soon, although the worker lives on", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  const [lost, alsoLost] = [await add(), await add()];
  const worker = start(remote(url, [loseAnswers(2)]), async () => "done");
  await worker.until("settled", 2);
  for (const jobId of [lost, alsoLost]) {
    const { state, attempts, maxAttempts, lastError } = await job(jobId);
    expect([state, maxAttempts - attempts, lastError]).toEqual(["SUCCEEDED", 2, undefined]);
  }
  expect(worker.count("session-lost")).toBe(0);
  await expect.poll(async () => (await store.counts()).workers.length, { timeout: 10_000 }).toBe(1);
});

test("what runs while an answer is lost keeps its lease, and its verdict counts", async () => {
  const { store, add, job } = await setup();
  const renewed = new Set<string>();
  const { url } = await serve({
    ...store,
    heartbeat(session) {
      renewed.add(session.id);
      return store.heartbeat(session);
    },
  });
  const running = await add();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<string>();
  let armed = false;
  const lose: Interceptor = (next) => async (request) => {
    const response = await next(request);
    if (!armed || request.method !== WorkerService.method.claim) return response;
    armed = false;
    throw new ConnectError("the connection broke", Code.Unavailable);
  };
  const run: HandlerFunction = async (_event, { jobId }) => {
    if (jobId !== running) return "other";
    begun.resolve();
    return gate.promise;
  };
  const worker = start(remote(url, [lose]), run, { leaseMs: 5000 });
  await begun.promise;
  armed = true;
  const lost = await add();
  await worker.until("store-error");
  const seen = await add();
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ jobId: seen }]);
  expect(await job(lost)).toMatchObject({ state: "RUNNING" });
  renewed.clear();
  await expect.poll(() => renewed.size, { timeout: 10_000 }).toBe(2);
  gate.resolve("across");
  await worker.until("settled", 3);
  expect(await job(running)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(await job(lost)).toMatchObject({ state: "SUCCEEDED", attempts: 2, maxAttempts: 4 });
  expect((await store.counts()).workers).toHaveLength(1);
  await worker.stop();
  expect((await store.counts()).workers).toEqual([]);
});

test("results that are too large for one request are settled by several", async () => {
  const { store } = await setup();
  const { url } = await serve(store);
  const total = 100;
  const payload = new Uint8Array();
  await store.append(
    Array.from({ length: total }, (_, index) => {
      return { tenant: "", eventId: `${index}`, type: "", payload, timestamp: 0n, maxAttempts: 1 };
    }),
  );
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const result = "x".repeat(64 * 1024);
  const worker = start(
    remote(url),
    async () => {
      if (++begun === total) gate.resolve();
      await gate.promise;
      return result;
    },
    { concurrency: total },
  );
  await worker.until("settled", total);
  expect(await states(store)).toMatchObject({ SUCCEEDED: total });
  expect(worker.count("store-error")).toBe(0);
});

test("a server that asks for patience gets it", async () => {
  const { store } = await setup();
  const { url } = await serve(store);
  let claims = 0;
  const refuse: Interceptor = (next) => async (request) => {
    if (request.method !== WorkerService.method.claim) return next(request);
    claims++;
    throw new ConnectError("busy", Code.Unavailable, { "retry-after": "1" });
  };
  const worker = start(remote(url, [refuse]), async () => undefined);
  const startedAt = performance.now();
  await worker.until("store-error", 3);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(3000);
  expect(claims).toBeLessThanOrEqual(4);
});

test("a lease that the server does not take ends the worker with the reason", async () => {
  const { store } = await setup();
  const { url } = await serve(store);
  const handlers = [defineHandler("*", async () => undefined)];
  const { signal } = new AbortController();
  const run = runWorker({ source: remote(url), handlers, signal, leaseMs: 1000 });
  await expect(run).rejects.toMatchObject({
    name: "StoreError",
    reason: "invalid",
    message: expect.stringContaining("ttl must be 5000 to 600000 ms, got 1000 ms"),
  });
});
