import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { WorkerService } from "@event-ingestion/api/worker/v1";
import type { JobStore } from "@event-ingestion/store";
import { describe, expect, test } from "vitest";
import { defineHandler, type HandlerFunction } from "../handler.ts";
import { remoteSource } from "./remote-source.ts";
import { remote, serve } from "../testing/server.ts";
import { aborted, setup, start } from "../testing/worker.ts";
import { runWorker } from "../worker.ts";

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
  // Each of three timers may end within its last millisecond.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(2997);
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
