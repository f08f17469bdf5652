import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Job } from "@event-ingestion/store";
import { rounds } from "@event-ingestion/needs";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { createLedger, type Ledger } from "../support/ledger.ts";
import { root, type ServerProcess, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// The process is killed, the machine goes on: what it had written is still there, synced or not. What a power cut
// leaves is the matter of recorded-disk.test.ts.

const cycles = Number(process.env.CRASH_CYCLES ?? rounds({ short: 10, long: 30 }));

test(
  `kill -9 during ingest, ${cycles} times: no accepted event is lost, doubled or stuck`,
  async () => {
    using dir = tempDir();
    const storeUrl = `sqlite:${dir.path}/events.db`;
    const env = { STORE_URL: storeUrl, HANDLERS: `${root}examples/handlers.ts` };
    const ledger = createLedger();

    for (let cycle = 0; cycle < cycles; cycle++) {
      const start = performance.now();
      await using server = await startServer({ env });
      await untilReady(server.url);
      expect(performance.now() - start).toBeLessThan(5000);
      await produceUntilKilled(server, ledger);
    }
    expect(ledger.jobs.size).toBeGreaterThan(cycles * 100);
    expect(ledger.duplicates()).toBeGreaterThan(cycles * 10);

    await using server = await startServer({ env });
    const service = connect(server.url);
    for (const event of ledger.open()) ledger.answered(event, await service.ingestEvent(event));
    await vi.waitFor(
      async () => expect(await jobsByState(server.url)).toMatchObject({ QUEUED: 0, RUNNING: 0 }),
      { timeout: 20_000, interval: 100 },
    );
    const [first = ""] = ledger.jobs.values();
    expect(await service.getStatus({ jobId: first })).toMatchObject({ status: "done" });
    expect(await server.stop()).toBe(0);

    const jobs = await allJobs(storeUrl);
    expect(new Map(jobs.map(({ eventId, jobId }) => [eventId, jobId]))).toEqual(ledger.jobs);
    expect(jobs).toHaveLength(ledger.jobs.size);
    expect(jobs.filter(({ state }) => state !== "SUCCEEDED")).toEqual([]);
  },
  60_000 + cycles * 5000,
);

/** Unary and batches over seven connections, until the server is killed in the middle of it. */
async function produceUntilKilled(server: ServerProcess, ledger: Ledger): Promise<void> {
  let killed = false;
  const produce = async (count: number, call: "one by one" | "batch", service = connect(server.url)) => {
    try {
      for (;;) {
        const events = ledger.next(count);
        const responses =
          call === "one by one"
            ? await Promise.all(events.map((event) => service.ingestEvent(event)))
            : (await service.ingestBatch({ events })).results;
        for (const [index, event] of events.entries()) ledger.answered(event, responses[index]);
      }
    } catch (error) {
      if (!killed || !(error instanceof ConnectError)) throw error;
    }
  };
  const http1 = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", defaultTimeoutMs: 20_000 });
  const producing = [1, 1, 1].map((count) => produce(count, "one by one"));
  producing.push(...[5, 50].map((count) => produce(count, "batch")));
  // So many that some are handed to the store while it works for others.
  producing.push(produce(100, "one by one"));
  producing.push(produce(1, "one by one", connect(server.url, http1)));
  const all = Promise.all(producing);
  await Promise.race([all, ledger.answers(300 + Math.floor(Math.random() * 2000))]);
  // Some kills come at once after an answer, the others at any moment between two commits.
  if (Math.random() < 0.7) await sleep(Math.random() * 5);
  killed = true;
  await server.stop("SIGKILL");
  await all;
}

async function allJobs(url: string): Promise<Job[]> {
  const store = await openSqliteStore(url);
  try {
    const jobs: Job[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list({ limit: 1000, ...(cursor !== undefined && { cursor }) });
      jobs.push(...page.jobs);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return jobs;
  } finally {
    await store.close();
  }
}
