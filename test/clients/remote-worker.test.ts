import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { JobState } from "@event-ingestion/api";
import { needs } from "@event-ingestion/needs";
import { expect, test, vi } from "vitest";
import { connect, ended, ingest, jobsByState, statusOf } from "../support/event-service.ts";
import { startProxy } from "../support/proxied-servers.ts";
import { root, startServer, startWorker, workerMain } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// event-worker in processes of its own, against event-server in another that runs no handlers.

const inMemory = { STORE_URL: "sqlite::memory:" };
const handlers = `${root}test/support/worker-handlers.ts`;
const away = "the server does not answer; the worker tries again until it does";

const untilRunning = (url: string, count: number) =>
  vi.waitFor(async () => expect(await jobsByState(url)).toMatchObject({ RUNNING: count }), {
    timeout: 20_000,
    interval: 20,
  });

/** The store says RUNNING before the worker knows of it. */
const untilExists = (file: string) =>
  vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 20_000, interval: 20 });

test("a worker processes what a server accepts, tells how it is, and ends when it is told to", async () => {
  await using server = await startServer({ env: inMemory });
  await using worker = startWorker(server.url, { HEALTH_PORT: "0" });
  const health = String((await worker.logged("health")).url);
  await worker.logged("connected");
  const [echo, rejected, retried] = [
    await ingest(server.url, "echo", "hello"),
    await ingest(server.url, "reject"),
    await ingest(server.url, "fail-once"),
  ];
  expect(await ended(server.url, echo)).toMatchObject({ status: "done", result: "hello", attempts: 1 });
  expect(await ended(server.url, rejected)).toMatchObject({ status: "failed", lastError: "no good" });
  expect(await ended(server.url, retried)).toMatchObject({ status: "done", result: "attempt 2" });

  expect(await statusOf(health, "/healthz")).toBe(200);
  expect(await statusOf(health, "/readyz")).toBe(200);
  expect(await statusOf(health, "/")).toBe(404);
  const metrics = await (await fetch(`${health}/metrics`)).text();
  expect(metrics).toContain("event_worker_connected 1\n");
  expect(metrics).toContain('event_handler_duration_seconds_count{outcome="succeeded"} 2\n');

  expect(await worker.stop()).toBe(0);
  expect(worker.log.map(({ msg }) => msg)).toEqual([
    "health",
    "connected",
    "worker started",
    "attempt ended",
    "attempt ended",
    "worker draining",
    "worker stopped",
  ]);
  expect(worker.stderr()).toBe("");
});

test("what a killed worker held runs on another one when its lease is over", async () => {
  await using server = await startServer({ env: inMemory });
  const env = { HANDLERS: `${root}test/support/blocking-handlers.ts`, LEASE_MS: "5000" };
  await using killed = startWorker(server.url, { ...env, BLOCK: "1" });
  const jobIds = await Promise.all(Array.from({ length: 20 }, () => ingest(server.url, "any")));
  await untilRunning(server.url, 20);
  await killed.stop("SIGKILL");

  await using other = startWorker(server.url, env);
  for (const jobId of jobIds) {
    expect(await ended(server.url, jobId)).toMatchObject({
      status: "done",
      attempts: 2,
      result: "attempt 2",
    });
  }
  expect(await other.stop()).toBe(0);
});

test("of two workers, one paused past its lease, exactly one completion counts", async () => {
  using dir = tempDir();
  const file = `${dir.path}/go`;
  await using server = await startServer({ env: inMemory });
  const env = { HANDLERS: handlers, LEASE_MS: "5000" };
  await using paused = startWorker(server.url, { ...env, WORKER: "paused" });
  const jobId = await ingest(server.url, "until-file", file);
  await untilRunning(server.url, 1);
  paused.child.kill("SIGSTOP");
  writeFileSync(file, "");

  await using other = startWorker(server.url, { ...env, WORKER: "other" });
  const after = await ended(server.url, jobId);
  expect(after).toMatchObject({ status: "done", result: "by other", attempts: 2 });
  paused.child.kill("SIGCONT");
  await paused.logged("worker lost its session, its jobs may run again");
  await paused.logged("worker started", 2);
  expect(await connect(server.url).getStatus({ jobId })).toEqual(after);

  // The one that was paused works on.
  expect(await other.stop()).toBe(0);
  const next = await ingest(server.url, "until-file", file);
  expect(await ended(server.url, next)).toMatchObject({ result: "by paused", attempts: 1 });
});

test("a server that is killed and comes back: what runs goes on, and one line each tells of it", async () => {
  using dir = tempDir();
  const file = `${dir.path}/go`;
  const env = { STORE_URL: `sqlite:${dir.path}/events.db` };
  await using first = await startServer({ env });
  await using worker = startWorker(first.url, { HANDLERS: handlers, HEALTH_PORT: "0", WORKER: "it" });
  const health = String((await worker.logged("health")).url);
  const jobId = await ingest(first.url, "until-file", file);
  await untilExists(`${file}-running`);
  await first.stop("SIGKILL");
  expect(await worker.logged(away)).toMatchObject({ server: first.url });
  expect(await statusOf(health, "/readyz")).toBe(503);
  writeFileSync(file, "");

  await using second = await startServer({ env: { ...env, PORT: String(first.port) } });
  await worker.logged("connected", 2);
  expect(await ended(second.url, jobId)).toMatchObject({ status: "done", result: "by it", attempts: 1 });
  const next = await ingest(second.url, "any", "next");
  expect(await ended(second.url, next)).toMatchObject({ status: "done", result: "next", attempts: 1 });
  expect(await statusOf(health, "/readyz")).toBe(200);
  expect(await worker.stop()).toBe(0);
  expect(worker.log.map(({ msg }) => msg)).toEqual([
    "health",
    "connected",
    "worker started",
    away,
    "connected",
    "worker draining",
    "worker stopped",
  ]);
});

test("SIGTERM hands back what does not end in time, free of charge, within 10 s", async () => {
  using dir = tempDir();
  await using server = await startServer({ env: inMemory });
  await using worker = startWorker(server.url, { HANDLERS: handlers, CONCURRENCY: "1" });
  const files = ["a", "b"].map((name) => `${dir.path}/${name}`);
  const jobIds: string[] = [];
  for (const file of files) jobIds.push(await ingest(server.url, "never", file));
  await untilExists(files[0] ?? "");
  await untilRunning(server.url, 2);
  const start = performance.now();
  expect(await worker.stop()).toBe(0);
  const tookMs = performance.now() - start;
  expect(tookMs).toBeGreaterThan(4900);
  expect(tookMs).toBeLessThan(10_000);
  expect(existsSync(files[1] ?? "")).toBe(false);
  for (const jobId of jobIds) {
    const { state, attempts, maxAttempts } = await connect(server.url).getStatus({ jobId });
    expect([state, maxAttempts - attempts]).toEqual([JobState.QUEUED, 12]);
  }
});

test(
  "through a proxy for HTTP/2 it waits for work, longer than a claim waits",
  needs("linux", "haproxy"),
  async () => {
    await using proxy = await startProxy(inMemory);
    await proxy.start("127.0.0.2");
    await vi.waitFor(async () => expect(await statusOf(proxy.url, "/readyz")).toBe(200), 20_000);
    await using worker = startWorker(proxy.url);
    await worker.logged("connected");
    await sleep(12_000);
    const jobId = await ingest(proxy.url, "echo", "hello");
    expect(await ended(proxy.url, jobId)).toMatchObject({ result: "hello", attempts: 1 });
    expect(worker.log.filter(({ msg }) => msg === away)).toEqual([]);
  },
);

test("handlers that were bundled with their own copy of the package are known all the same", async () => {
  await using server = await startServer({ env: inMemory });
  await using worker = startWorker(server.url, { HANDLERS: `${root}apps/worker/dist/handlers.js` });
  await worker.logged("connected");
  const rejected = await ingest(server.url, "order.created", '{"amount":0}');
  expect(await ended(server.url, rejected)).toMatchObject({
    status: "failed",
    attempts: 1,
    lastError: "amount must be positive, got 0",
  });
});

test("without a server it waits, says so once, and ends when it is told to", async () => {
  const gone = await startServer({ env: inMemory });
  await gone.stop();
  await using worker = startWorker(gone.url);
  await worker.logged(away);
  await sleep(2000);
  expect(await worker.stop("SIGINT")).toBe(0);
  expect(worker.log.map(({ msg }) => msg)).toEqual([away, "worker stopped"]);
  expect(worker.stderr()).toBe("");
});

/** Runs event-worker to its end, for starts that must fail. */
function fail(env: Record<string, string>, args: string[] = []) {
  const options = { env: { PATH: process.env.PATH, ...env }, encoding: "utf8", timeout: 20_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [workerMain, ...args], options);
  return { status, stdout, stderr };
}

test("--help names every variable", () => {
  const { status, stdout } = fail({}, ["--help"]);
  expect(status).toBe(0);
  const names = [
    "HANDLERS",
    "SERVER_ADDRESS",
    "EVENT_TOKEN",
    "CONCURRENCY",
    "LEASE_MS",
    "HEALTH_PORT",
    "LOG_LEVEL",
  ];
  for (const name of names) expect(stdout).toContain(`  ${name} `);
});

test("bad configuration: every problem, one a line, exit 2", () => {
  const { status, stderr } = fail({ CONCURRENCY: "0", SERVER_ADDRESS: "nowhere" });
  expect(stderr.trim().split("\n")).toEqual([
    "event-worker: HANDLERS, or the first argument, must be the path of a handlers module",
    'event-worker: SERVER_ADDRESS must be host:port or an http(s) URL, got "nowhere"',
    'event-worker: CONCURRENCY must be a whole number from 1 to 10000, got "0"',
  ]);
  expect(status).toBe(2);
  expect(fail({}, ["h.ts", "more"])).toMatchObject({
    status: 2,
    stderr: 'event-worker: there are no further arguments, got "more"; the environment configures it\n',
  });
});

test("a handlers module that is not there: one line, exit 1", () => {
  const { status, stderr } = fail({}, ["/nowhere/handlers.ts"]);
  expect(stderr).toMatch(/^event-worker: cannot load handlers from "\/nowhere\/handlers.ts": .*\n$/);
  expect(status).toBe(1);
});

test("a health port that is taken: one line, exit 2", async () => {
  await using server = await startServer({ env: inMemory });
  const { status, stderr } = fail({ HANDLERS: handlers, HEALTH_PORT: String(server.port) });
  expect(stderr).toBe(`event-worker: cannot listen on HEALTH_PORT at 127.0.0.1:${server.port}: EADDRINUSE\n`);
  expect(status).toBe(2);
});
