import { setTimeout as sleep } from "node:timers/promises";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { SettleResult, WorkerService } from "@event-ingestion/api/worker/v1";
import type { JobStore } from "@event-ingestion/store";
import { expect, onTestFinished, test, vi } from "vitest";
import { createListener } from "../http/listener/listener.ts";
import { createRpcHandler } from "../http/rpc-handler.ts";
import { gate, refusal, startServer } from "../testing/start-server.ts";
import { seconds, startWorkerService } from "../testing/worker-service.ts";
import { workerRoutes } from "./worker-routes.ts";

/** Counts claims, and tells when so many of them were answered. */
function countClaims(real: JobStore, answered: { count: number; watch: () => void }): Partial<JobStore> {
  return {
    async claim(...args) {
      const jobs = await real.claim(...args);
      answered.count++;
      setImmediate(() => answered.watch());
      return jobs;
    },
  };
}

function counter() {
  const answered = { count: 0, watch: () => {} };
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      answered.watch = () => {
        if (answered.count >= count) resolve();
      };
      answered.watch();
    });
  return { answered, until };
}

/** Nothing but hints wakes a claim. */
function withoutPolls(): void {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
}

const noHints: JobStore["hints"] = () => ({
  [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
});

test("a claim that waits is answered as soon as a job is due", async () => {
  withoutPolls();
  const { answered, until } = counter();
  const { client, add, open } = await startWorkerService((real) => countClaims(real, answered));
  const session = await open();
  const waiting = client.claim({ session, maxJobs: 5, wait: seconds(30) });
  await until(1);
  const ids = await add({}, {});
  expect((await waiting).jobs.map(({ jobId }) => jobId)).toEqual(ids);

  const [jobId = "", attempt = 1] = [ids[0]];
  const outcome = { case: "retry", value: { delay: seconds(0.05), error: "e" } } as const;
  const next = client.claim({ session, maxJobs: 5, wait: seconds(30) });
  await client.settle({ session, verdicts: [{ jobId, attempt, outcome }] });
  expect((await next).jobs).toMatchObject([{ jobId, attempt: 2 }]);
});

test("a claim that waits finds a job without a hint, too", async () => {
  const { answered, until } = counter();
  const { client, add, open } = await startWorkerService((real) => ({
    ...countClaims(real, answered),
    hints: noHints,
  }));
  const waiting = client.claim({ session: await open(), maxJobs: 5, wait: seconds(30) });
  await until(1);
  const ids = await add({});
  expect((await waiting).jobs.map(({ jobId }) => jobId)).toEqual(ids);
});

test("a job that comes while a claim is being answered is not missed", async () => {
  withoutPolls();
  const first = gate();
  const [busy, added] = [gate(), gate()];
  const { client, add, open } = await startWorkerService((real) => ({
    async claim(...args) {
      const jobs = await real.claim(...args);
      first.open();
      if (jobs.length === 0) await busy.opened;
      return jobs;
    },
    async *hints(signal) {
      for await (const hint of real.hints(signal)) {
        yield hint;
        added.open();
      }
    },
  }));
  const waiting = client.claim({ session: await open(), maxJobs: 1, wait: seconds(30) });
  await first.opened;
  const ids = await add({});
  await added.opened;
  busy.open();
  expect((await waiting).jobs.map(({ jobId }) => jobId)).toEqual(ids);
});

test("a claim that finds nothing ends when its wait is over, at the latest after 30 s", async () => {
  const { answered, until } = counter();
  const { client, open } = await startWorkerService((real) => countClaims(real, answered));
  const session = await open();
  const start = performance.now();
  expect((await client.claim({ session, maxJobs: 1, wait: seconds(0.2) })).jobs).toEqual([]);
  expect(performance.now() - start).toBeGreaterThanOrEqual(199);

  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let over = false;
  const waiting = client.claim({ session, maxJobs: 1, wait: seconds(3600) }).then((page) => {
    over = true;
    return page;
  });
  await until(answered.count + 1);
  vi.advanceTimersByTime(29_999);
  await until(answered.count);
  expect(over).toBe(false);
  vi.advanceTimersByTime(1);
  expect((await waiting).jobs).toEqual([]);
});

test("one event wakes few of many who wait, a burst wakes all", async () => {
  withoutPolls();
  const { answered, until } = counter();
  const { client, add, open } = await startWorkerService((real) => countClaims(real, answered));
  const workers = 50;
  const session = await open();
  const waiting = Array.from({ length: workers }, () =>
    client.claim({ session, maxJobs: 1, wait: seconds(30) }),
  );
  await until(workers);
  await add({});
  expect((await Promise.race(waiting)).jobs).toHaveLength(1);
  await until(workers + 2);
  expect(answered.count).toBe(workers + 2);

  await add(...Array.from({ length: workers - 1 }, () => ({})));
  const pages = await Promise.all(waiting);
  expect(new Set(pages.flatMap(({ jobs }) => jobs.map(({ jobId }) => jobId))).size).toBe(workers);
});

test("a caller that goes while it waits is given nothing, and keeps nobody behind it waiting", async () => {
  withoutPolls();
  const { answered, until } = counter();
  const { client, store, add, open } = await startWorkerService((real) => countClaims(real, answered));
  const [session, other] = [await open(), await open()];
  const gone = new AbortController();
  const first = refusal(client.claim({ session, maxJobs: 1, wait: seconds(30) }, { signal: gone.signal }));
  await until(1);
  const second = client.claim({ session: other, maxJobs: 1, wait: seconds(30) });
  await until(2);
  gone.abort();
  expect((await first).code).toBe(Code.Canceled);
  const [jobId = ""] = await add({});
  expect((await second).jobs).toMatchObject([{ jobId, attempt: 1 }]);
  expect((await store.counts()).workers).toMatchObject([{ held: 0 }, { held: 1 }]);
});

test("a caller that goes when a job is due is given nothing, not even for a moment", async () => {
  withoutPolls();
  const { answered, until } = counter();
  const { client, store, add, open } = await startWorkerService((real) => ({
    ...countClaims(real, answered),
    hints: noHints,
  }));
  const gone = new AbortController();
  const request = { session: await open(), maxJobs: 1, wait: seconds(30) };
  const waiting = refusal(client.claim(request, { signal: gone.signal }));
  await until(1);
  const ids = await add({});
  gone.abort();
  expect((await waiting).code).toBe(Code.Canceled);
  // Whatever is done for the one that is gone comes before this.
  await client.heartbeat({ session: request.session });
  expect(await store.get(ids)).toMatchObject([{ state: "QUEUED", attempts: 0 }]);
});

test("what is claimed for a caller while it goes is handed back, free of charge", async () => {
  const [reached, busy] = [gate(), gate()];
  const { client, store, add, open } = await startWorkerService((real) => ({
    async claim(...args) {
      reached.open();
      await busy.opened;
      return real.claim(...args);
    },
  }));
  const [jobId = ""] = await add({});
  const [session, other] = [await open(), await open()];
  const gone = new AbortController();
  const claim = refusal(client.claim({ session, maxJobs: 1 }, { signal: gone.signal }));
  await reached.opened;
  gone.abort();
  busy.open();
  expect((await claim).code).toBe(Code.Canceled);
  const { jobs } = await client.claim({ session: other, maxJobs: 1, wait: seconds(30) });
  expect(jobs).toMatchObject([{ jobId, attempt: 2, maxAttempts: 4 }]);
  expect((await client.heartbeat({ session })).lost).toBe(false);
  expect((await store.counts()).workers).toMatchObject([{ held: 0 }, { held: 1 }]);
});

test("a drain answers who waits with nothing, gives out nothing more, and still takes verdicts", async () => {
  const { answered, until } = counter();
  const { client, claims, store, add, open } = await startWorkerService((real) =>
    countClaims(real, answered),
  );
  const [jobId = ""] = await add({});
  const session = await open();
  await client.claim({ session, maxJobs: 1 });
  const waiting = client.claim({ session, maxJobs: 1, wait: seconds(30) });
  await until(2);
  claims.drain();
  expect((await waiting).jobs).toEqual([]);

  const [left = ""] = await add({});
  for (const call of [
    client.claim({ session, maxJobs: 1, wait: seconds(30) }),
    client.openSession({ worker: "late", ttl: seconds(30) }),
  ]) {
    const error = await refusal(call);
    expect(error.code).toBe(Code.Unavailable);
    expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
  }
  expect((await store.get([left]))[0]).toMatchObject({ state: "QUEUED", attempts: 0 });
  expect((await client.heartbeat({ session })).lost).toBe(false);
  const outcome = { case: "succeeded", value: {} } as const;
  const { results } = await client.settle({ session, verdicts: [{ jobId, attempt: 1, outcome }] });
  expect(results).toEqual([SettleResult.OK]);
});

test("a server that closes answers who waits, long before its grace time is over", async () => {
  const { answered, until } = counter();
  const { url, server } = await startServer((real) => countClaims(real, answered), {
    graceMs: 60_000,
    hardLimitMs: 60_000,
  });
  const client = createClient(WorkerService, createGrpcTransport({ baseUrl: url }));
  const { session } = await client.openSession({ worker: "test", ttl: seconds(30) });
  if (session === undefined) throw new Error("no session");
  const waiting = client.claim({ session, maxJobs: 1, wait: seconds(30) });
  await until(1);
  const closing = server.close();
  expect((await waiting).jobs).toEqual([]);
  await closing;
});

test("while a closing server still takes requests it gives out jobs, too", async () => {
  const { url, server, store } = await startServer(undefined, { lameDuckMs: 4000 });
  const client = createClient(WorkerService, createGrpcTransport({ baseUrl: url }));
  const { session } = await client.openSession({ worker: "test", ttl: seconds(30) });
  if (session === undefined) throw new Error("no session");
  const closing = server.close();
  const event = { tenant: "", eventId: "e", type: "", payload: new Uint8Array(), timestamp: 0n };
  await store.append([{ ...event, maxAttempts: 1 }]);
  expect((await client.claim({ session, maxJobs: 1 })).jobs).toHaveLength(1);
  await closing;
});

test("a wait longer than every limit of the network layer is answered over each protocol", async () => {
  const { claims, store, add, open } = await startWorkerService();
  const limits = {
    headersMs: 200,
    receiveMs: 200,
    keepAliveMs: 200,
    pingIntervalMs: 100,
    pingTimeoutMs: 80,
    idleMs: 200,
    stallMs: 200,
  };
  const cuts: string[] = [];
  const observe = ({ what }: { what: string }) => void cuts.push(what);
  const handler = createRpcHandler({
    routes: workerRoutes({ store, claims }),
    fallback: (_request, response) => void response.writeHead(404).end(),
    onError: ({ error }) => void cuts.push(String(error)),
    observe,
    limits,
  });
  const listener = createListener(handler, { limits, observe });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    listener.destroy();
    await listener.closed;
  });
  const baseUrl = `http://localhost:${port}`;
  const session = await open();
  const answers = [
    createGrpcTransport({ baseUrl }),
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    createConnectTransport({ baseUrl, httpVersion: "2" }),
  ].map((transport) =>
    createClient(WorkerService, transport).claim({ session, maxJobs: 1, wait: seconds(20) }),
  );
  await sleep(2000);
  await add({}, {}, {});
  for (const { jobs } of await Promise.all(answers)) expect(jobs).toHaveLength(1);
  expect(cuts).toEqual([]);
});
