import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { connect, statusOf, untilReady } from "../support/event-service.ts";
import { startServer } from "../support/server-process.ts";
import { injecting } from "../support/strace.ts";
import { tempDir } from "../support/temp-dir.ts";

const stallMs = 1000;

describe("a disk on which each fsync takes a second", needs("strace"), () => {
  test("no answer comes before its fsync has ended, and everything else is answered meanwhile", async () => {
    using dir = tempDir();
    const wal = `${dir.path}/events.db-wal`;
    // The first ones pass: opening the store takes several.
    const wrapper = injecting(`fsync:delay_exit=${stallMs * 1000}:when=10+`, [wal]);
    await using server = await startServer({ env: { STORE_URL: `sqlite:${dir.path}/events.db` }, wrapper });
    await untilReady(server.url);
    const service = connect(server.url);

    let sent = 0;
    const ingest = async () => {
      const start = performance.now();
      const { jobId } = await service.ingestEvent({ eventId: `stalled-${sent++}`, payload: "x" });
      const duration = performance.now() - start;
      // Read by the same thread: a sync that were still under way would be waited for here, not by the next event.
      expect(await service.getStatus({ jobId })).toMatchObject({ status: "processing" });
      return duration;
    };
    while ((await ingest()) < stallMs) expect(sent).toBeLessThan(12);

    for (let round = 0; round < 3; round++) {
      const answered = new AbortController();
      const ingesting = ingest().finally(() => answered.abort());
      const probes: number[] = [];
      while (!answered.signal.aborted) probes.push(await probe(server.url));
      expect(await ingesting).toBeGreaterThanOrEqual(stallMs);
      expect(probes.length).toBeGreaterThan(10);
      expect(median(probes)).toBeLessThan(50);
      // One blocked turn of the loop would be one long probe and leave the median alone.
      expect(Math.max(...probes)).toBeLessThan(0.8 * stallMs);
    }
  });
});

async function probe(url: string): Promise<number> {
  const start = performance.now();
  expect(await statusOf(url, "/healthz")).toBe(200);
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
