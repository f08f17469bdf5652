import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { startPostgres } from "@event-ingestion/store-postgres/testing";
import { expect, test, vi } from "vitest";
import { connect, jobsByState, statusOf, untilReady } from "../support/event-service.ts";
import { root, startServer, startWorker } from "../support/server-process.ts";

const outageMs = 30_000;
/** After which the store gives up on a connection, and some more. */
const promptMs = 15_000;

test("a database that is away for 30 s: refusals are prompt, logs stay short, and all go on by themselves", async () => {
  await using database = await startPostgres();
  const env = { STORE_URL: await database.createDatabase() };
  const handlers = { HANDLERS: `${root}examples/handlers.ts` };
  await using first = await startServer({ env: { ...env, ...handlers } });
  await using second = await startServer({ env });
  await using worker = startWorker(second.url, handlers);
  await worker.logged("worker started");
  const servers = [first, second];
  let events = 0;
  const newEvent = () => ({ eventId: `event-${events++}`, type: "outage", payload: "{}" });
  const allDone = (url: string) =>
    vi.waitFor(
      async () => expect(await jobsByState(url)).toMatchObject({ QUEUED: 0, RUNNING: 0, SUCCEEDED: events }),
      { timeout: 40_000, interval: 50 },
    );
  for (const { url } of servers) await connect(url).ingestBatch({ events: [newEvent(), newEvent()] });
  await allDone(first.url);

  await database.kill();
  const goneAt = performance.now();
  for (const { url } of servers)
    await vi.waitFor(async () => expect(await statusOf(url, "/readyz")).toBe(503), promptMs);
  const refused = [];
  while (performance.now() - goneAt < outageMs) {
    for (const { url } of servers) {
      const event = newEvent();
      const start = performance.now();
      await expect(connect(url).ingestEvent(event)).rejects.toMatchObject({ code: Code.Unavailable });
      expect(performance.now() - start).toBeLessThan(promptMs);
      expect(await statusOf(url, "/healthz")).toBe(200);
      refused.push(event);
    }
    await sleep(1000);
  }
  for (const { log } of [...servers, worker]) expect(log.length).toBeLessThan(100);

  await database.start();
  for (const { url } of servers) await untilReady(url, 30_000);
  const { results } = await connect(second.url).ingestBatch({ events: refused });
  expect(results.filter(({ accepted }) => accepted)).toHaveLength(refused.length);
  expect(new Set(results.map(({ jobId }) => jobId)).size).toBe(refused.length);
  await allDone(first.url);
  expect([await worker.stop(), await first.stop(), await second.stop()]).toEqual([0, 0, 0]);
}, 150_000);
