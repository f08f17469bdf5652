import { create } from "@bufbuild/protobuf";
import { EventRequestSchema, Outcome } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

const batches = 1000;
const batchSize = 1000;

test("a million queued events: memory stays small and a restart after kill -9 takes less than 5 s", async () => {
  using dir = tempDir();
  const env = { STORE_URL: `sqlite:${dir.path}/events.db` };
  await using first = await startServer({ env });
  let next = 0;
  let peak = 0;
  const produce = async () => {
    const service = connect(first.url);
    for (let batch = next++; batch < batches; batch = next++) {
      const events = Array.from({ length: batchSize }, (_, index) =>
        create(EventRequestSchema, { eventId: `${batch}-${index}`, payload: "small" }),
      );
      const { results } = await service.ingestBatch({ events });
      expect(results.filter(({ accepted }) => accepted)).toHaveLength(batchSize);
      if (batch % 20 === 0) peak = Math.max(peak, await memoryMiB(first.url));
    }
  };
  await Promise.all([produce(), produce(), produce(), produce()]);
  expect(await jobsByState(first.url)).toMatchObject({ QUEUED: batches * batchSize });
  expect(peak).toBeLessThan(350);
  await first.stop("SIGKILL");

  const start = performance.now();
  await using second = await startServer({ env });
  await untilReady(second.url);
  expect(performance.now() - start).toBeLessThan(5000);
  expect(await jobsByState(second.url)).toMatchObject({ QUEUED: batches * batchSize });
  const again = await connect(second.url).ingestEvent({ eventId: "999-999", payload: "small" });
  expect(again).toMatchObject({ accepted: true, outcome: Outcome.DUPLICATE });
  expect(await memoryMiB(second.url)).toBeLessThan(350);
}, 180_000);

/** What the process has resident now. */
async function memoryMiB(url: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / 2 ** 20;
}
