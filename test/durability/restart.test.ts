import { expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// After the second loss each of them runs alone, one after the other.
test.each([1, 2])(
  "what a killed worker held runs again within a second of the restart, long before its lease ends (loss %i)",
  async (losses) => {
    using dir = tempDir();
    const env = {
      STORE_URL: `sqlite:${dir.path}/events.db`,
      HANDLERS: `${root}test/support/blocking-handlers.ts`,
      LEASE_MS: "3600000",
    };
    const events = Array.from({ length: 20 }, (_, index) => ({ eventId: `held-${index}`, payload: "x" }));

    let ids: string[] = [];
    for (let loss = 1; loss <= losses; loss++) {
      await using server = await startServer({ env: { ...env, BLOCK: "1" } });
      const { results } = await connect(server.url).ingestBatch({ events });
      ids = results.map(({ jobId }) => jobId);
      await vi.waitFor(
        async () => expect(await jobsByState(server.url)).toMatchObject({ RUNNING: 20 }),
        20_000,
      );
      await server.stop("SIGKILL");
    }

    await using last = await startServer({ env });
    await untilReady(last.url);
    const ready = performance.now();
    const service = connect(last.url);
    await vi.waitFor(
      async () => expect(await jobsByState(last.url)).toMatchObject({ RUNNING: 0, QUEUED: 0 }),
      { timeout: 20_000, interval: 10 },
    );
    expect(performance.now() - ready).toBeLessThan(1000);
    for (const jobId of ids) {
      expect(await service.getStatus({ jobId })).toMatchObject({
        status: "done",
        attempts: losses + 1,
        result: `attempt ${losses + 1}`,
      });
    }
  },
);
