import { expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "./support/event-service.ts";
import { root, startServer } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

test("what a killed worker held runs again within a second of the restart, long before its lease ends", async () => {
  using dir = tempDir();
  const env = {
    STORE_URL: `sqlite:${dir.path}/events.db`,
    HANDLERS: `${root}test/support/blocking-handlers.ts`,
    LEASE_MS: "3600000",
  };
  const events = Array.from({ length: 20 }, (_, index) => ({ eventId: `held-${index}`, payload: "x" }));

  await using first = await startServer({ env: { ...env, BLOCK: "1" } });
  const { results } = await connect(first.url).ingestBatch({ events });
  await vi.waitFor(async () => expect(await jobsByState(first.url)).toMatchObject({ RUNNING: 20 }), 20_000);
  await first.stop("SIGKILL");

  await using second = await startServer({ env });
  await untilReady(second.url);
  const ready = performance.now();
  const service = connect(second.url);
  await vi.waitFor(
    async () => expect(await jobsByState(second.url)).toMatchObject({ RUNNING: 0, QUEUED: 0 }),
    { timeout: 20_000, interval: 10 },
  );
  expect(performance.now() - ready).toBeLessThan(1000);
  for (const { jobId } of results) {
    expect(await service.getStatus({ jobId })).toMatchObject({
      status: "done",
      attempts: 2,
      result: "attempt 2",
    });
  }
});
