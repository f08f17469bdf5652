import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { connect, jobsByState } from "../support/event-service.ts";
import { root, serverMain, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

test.for([
  ["exits", 3],
  ["throws later", 70],
  ["rejects unseen", 70],
] as const)(
  "an event whose handler %s three times dies; the 50 it took along are done",
  async ([poison, exitCode]) => {
    using dir = tempDir();
    const env = { STORE_URL: `sqlite:${dir.path}/events.db`, POISON_RUNS: `${dir.path}/runs` };
    const withHandlers = { ...env, HANDLERS: `${root}test/support/poison-handlers.ts` };
    const events = Array.from({ length: 51 }, (_, index) => ({
      eventId: `event-${index}`,
      payload: "x",
      type: index === 25 ? poison : "innocent",
    }));

    // Accepted before there is a worker, so that the first claim takes all of them.
    const ids = await accept(env, events);
    for (let life = 0; life < 3; life++) {
      const { status } = spawnSync(process.execPath, [serverMain], {
        env: { PORT: "0", ...withHandlers },
        timeout: 30_000,
      });
      expect(status).toBe(exitCode);
    }
    expect(readFileSync(env.POISON_RUNS, "utf8")).toBe("run\n".repeat(3));

    await using server = await startServer({ env: withHandlers });
    await vi.waitFor(
      async () => expect(await jobsByState(server.url)).toMatchObject({ QUEUED: 0, RUNNING: 0 }),
      { timeout: 20_000, interval: 50 },
    );
    const service = connect(server.url);
    const statuses = await Promise.all(ids.map((jobId) => service.getStatus({ jobId })));
    expect(statuses.map(({ status }) => status)).toEqual(
      ids.map((_, index) => (index === 25 ? "failed" : "done")),
    );
    expect(statuses[25]).toMatchObject({ attempts: 3, lastError: "worker lost" });
  },
);

/** Stores the events with a server that runs no handlers. */
async function accept(
  env: Record<string, string>,
  events: { eventId: string; payload: string; type: string }[],
): Promise<string[]> {
  await using server = await startServer({ env });
  const { results } = await connect(server.url).ingestBatch({ events });
  expect(await server.stop()).toBe(0);
  return results.map(({ jobId }) => jobId);
}
