import { setTimeout as sleep } from "node:timers/promises";
import { type JobStore, type Session, StoreError, type Verdict } from "@event-ingestion/store";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openPostgresStore } from "./postgres-store.ts";
import { newEvent } from "./testing/events.ts";
import { type FaultProxy, startFaultProxy } from "./testing/fault-proxy.ts";
import { createLedger } from "./testing/ledger.ts";
import { execute, type PostgresServer, startPostgres } from "./testing/postgres-server.ts";

const keepAll = { workerLostLimit: 1000, keepMs: { SUCCEEDED: 1e12, DEAD: 1e12, CANCELLED: 1e12 } };
const leaseMs = 1500;

let server: PostgresServer;
let proxy: FaultProxy;
beforeAll(async () => {
  server = await startPostgres();
  proxy = await startFaultProxy(server.port);
}, 60_000);
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("two replicas through crashes of the server and cuts of the line: what was acknowledged is there, once, and gets done", async () => {
  const url = await server.createDatabase();
  const replicas = await Promise.all(
    [1, 2].map(() => openPostgresStore(proxy.through(url), { deadlineMs: 1000 })),
  );
  const ledger = createLedger();
  const delivered = new Set<string>();
  const over = new AbortController();
  const parts = replicas.flatMap((store) => [
    ledger.produce(store, over.signal),
    ledger.produce(store, over.signal),
    work(store, delivered, over.signal),
    work(store, delivered, over.signal),
    keepHouse(store, over.signal),
  ]);
  const running = Promise.all(parts);

  const disturb = async () => {
    for (let round = 0; round < 7; round++) {
      const before = ledger.answered;
      await vi.waitFor(() => expect(ledger.answered).toBeGreaterThan(before + 100), 20_000);
      const fault = (["execute", "lose", "swallow", "delay"] as const)[round % 4] ?? "lose";
      if (round % 4 === 3) {
        await server.kill();
        await sleep(300);
        await server.start();
      } else if (round % 4 === 2) {
        proxy.silence();
        await sleep(1500);
        proxy.restore();
      } else {
        await Promise.race([proxy.once(["append", "claim", "settle"][round % 3] ?? "", fault), sleep(2000)]);
      }
    }
  };
  await Promise.race([disturb(), running]);
  over.abort();
  await running;

  const [store] = replicas;
  if (store === undefined) throw new Error("no replica");
  await vi.waitFor(() => expect(store.health.writable).toBe(true), 20_000);
  await ledger.clear(store);
  await ledger.check(store);
  await drain(store, delivered);
  const jobs = await store.get([...ledger.jobs.values()]);
  expect(jobs.filter((job) => job?.state !== "SUCCEEDED")).toEqual([]);
  await expectWhole(url, ledger.jobs.size);
  for (const replica of replicas) await replica.close();
}, 120_000);

test("what a replica brings in with a time long past is claimed by another that has claimed newer jobs", async () => {
  const url = await server.createDatabase();
  const [one, other] = await Promise.all([1, 2].map(() => openPostgresStore(url)));
  if (one === undefined || other === undefined) throw new Error("no stores");
  const session = await one.openSession("worker", 60_000);
  await one.append([newEvent("newer")]);
  expect(await one.claim(session, 10)).toHaveLength(1);

  // As a commit that took a minute would leave it.
  const [late] = await other.append([newEvent("late")]);
  await execute(url, `UPDATE ingest.queue SET run_at = run_at - 60000 WHERE job_id = '${late?.jobId}'`);
  const leased = await vi.waitFor(
    async () => {
      const found = await one.claim(session, 10);
      expect(found).toHaveLength(1);
      return found;
    },
    { timeout: 20_000, interval: 100 },
  );
  expect(leased[0]?.jobId).toBe(late?.jobId);
  await Promise.all([one.close(), other.close()]);
});

test("two replicas that maintain at once end every lost lease once", async () => {
  const url = await server.createDatabase();
  const replicas = await Promise.all([1, 2].map(() => openPostgresStore(url)));
  const [first] = replicas;
  if (first === undefined) throw new Error("no replica");
  const events = Array.from({ length: 500 }, (_, index) => newEvent(`event-${index}`));
  await first.append(events);
  await first.claim(await first.openSession("short", 100), 500);
  await sleep(200);
  const rounds = Array.from({ length: 10 }, () =>
    Promise.all(replicas.map((store) => store.maintain(keepAll))),
  );
  const sums = (await Promise.all(rounds)).flat();
  expect(sums.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(500);
  await expectWhole(url, 500);
  for (const replica of replicas) await replica.close();
});

/** An attempt is handed out once. */
async function work(store: JobStore, delivered: Set<string>, signal: AbortSignal): Promise<void> {
  let session: Session | undefined;
  while (!signal.aborted) {
    try {
      if (session === undefined || (await store.heartbeat(session)).lost) {
        session = await store.openSession("worker", leaseMs);
      }
      if (!(await workOnce(store, session, delivered))) await sleep(20);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await sleep(50);
    }
  }
}

async function workOnce(store: JobStore, session: Session, delivered: Set<string>): Promise<boolean> {
  const leased = await store.claim(session, 20);
  for (const { jobId, attempt } of leased) {
    expect(delivered).not.toContain(`${jobId} ${attempt}`);
    delivered.add(`${jobId} ${attempt}`);
  }
  const verdicts = leased.map(({ jobId, attempt }, index): Verdict => {
    if (index % 5 === 1 && attempt < 3) return { jobId, attempt, as: "retry", delayMs: 10, error: "again" };
    return { jobId, attempt, as: "succeeded" };
  });
  await store.settle(session, verdicts);
  return leased.length > 0;
}

async function keepHouse(store: JobStore, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await store.maintain(keepAll).catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
    });
    await sleep(100);
  }
}

async function drain(store: JobStore, delivered: Set<string>): Promise<void> {
  const session = await store.openSession("last", 60_000);
  await vi.waitFor(
    async () => {
      await store.maintain(keepAll);
      while (await workOnce(store, session, delivered)) await store.heartbeat(session);
      expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 0 });
    },
    { timeout: 30_000, interval: 100 },
  );
}

/** Every job is in one place, every key has its job, and the counters say what is there. */
async function expectWhole(url: string, jobs: number): Promise<void> {
  const [row] = await execute(
    url,
    `SELECT (SELECT count(*)::int FROM ingest.job) AS jobs, (SELECT count(*)::int FROM ingest.event_key) AS keys,
      (SELECT count(DISTINCT job_id)::int FROM (SELECT job_id FROM ingest.queue UNION ALL SELECT job_id FROM ingest.lease
        UNION ALL SELECT job_id FROM ingest.outcome) p) AS distinct_places,
      (SELECT (SELECT count(*) FROM ingest.queue) + (SELECT count(*) FROM ingest.lease)
        + (SELECT count(*) FROM ingest.outcome))::int AS places,
      (SELECT sum(n)::int FROM ingest.tally WHERE metric = 0) AS accepted,
      (SELECT coalesce(sum(n), 0)::int FROM ingest.tally WHERE metric > 0)
        - (SELECT count(*)::int FROM ingest.outcome) AS miscounted`,
  );
  expect(row).toEqual({
    jobs,
    keys: jobs,
    distinct_places: jobs,
    places: jobs,
    accepted: jobs,
    miscounted: 0,
  });
}
