import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { WorkerService } from "@event-ingestion/api/worker/v1";
import { expect, test } from "vitest";
import type { HandlerFunction } from "../handler.ts";
import { remote, serve, startProxy } from "../testing/server.ts";
import { setup, start } from "../testing/worker.ts";

// Servers that go away, and answers that never arrive.

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** A handler that ends at once, but for one job. */
function hold(heldId: string) {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  const run: HandlerFunction = async (_event, { jobId }) => {
    if (jobId !== heldId) return "not held";
    begun.resolve();
    return end.promise;
  };
  return { run, begun: begun.promise, release: () => end.resolve("held") };
}

test("a server that restarts: what runs is settled after it, as the first attempt, and the next event is taken", async () => {
  const { store, add, job } = await setup();
  const first = await serve(store);
  const running = await add();
  const { run, begun, release } = hold(running);
  const worker = start(remote(first.url), run);
  await begun;
  await first.server.close();
  release();
  await worker.until("store-error", 3);
  expect(await job(running)).toMatchObject({ state: "RUNNING" });

  await serve(store, first.port);
  await worker.until("settled");
  const { state, attempts, result } = await job(running);
  expect([state, attempts, text(result)]).toEqual(["SUCCEEDED", 1, "held"]);
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
  const { run, begun, release } = hold(running);
  const worker = start(remote(proxy.url), run);
  await begun;
  proxy.switchTo(undefined);
  await worker.until("store-error");
  proxy.switchTo(b.port);
  release();
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
  const { run, begun, release } = hold(running);
  let armed = false;
  const lose: Interceptor = (next) => async (request) => {
    const response = await next(request);
    if (!armed || request.method !== WorkerService.method.claim) return response;
    armed = false;
    throw new ConnectError("the connection broke", Code.Unavailable);
  };
  const worker = start(remote(url, [lose]), run, { leaseMs: 5000 });
  await begun;
  armed = true;
  const lost = await add();
  await worker.until("store-error");
  const seen = await add();
  await worker.until("settled");
  expect(worker.settled()).toMatchObject([{ jobId: seen }]);
  expect(await job(lost)).toMatchObject({ state: "RUNNING" });
  renewed.clear();
  await expect.poll(() => renewed.size, { timeout: 10_000 }).toBe(2);
  release();
  await worker.until("settled", 3);
  expect(await job(running)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(await job(lost)).toMatchObject({ state: "SUCCEEDED", attempts: 2, maxAttempts: 4 });
  expect((await store.counts()).workers).toHaveLength(1);
  await worker.stop();
  expect((await store.counts()).workers).toEqual([]);
});
