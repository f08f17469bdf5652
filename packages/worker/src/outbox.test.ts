import { StoreError } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { setup, start, wrap } from "./testing/worker.ts";

test("a settle that was applied but not answered is repeated, and its job runs once", async () => {
  const { store, add, job } = await setup();
  const jobId = await add();
  let lost = false;
  let runs = 0;
  const source = wrap(store, {
    async settle(session, verdicts) {
      const answers = await store.settle(session, verdicts);
      if (lost) return answers;
      lost = true;
      throw new StoreError("unknown", "unavailable", "no answer");
    },
  });
  const worker = start(source, async () => void runs++);
  await worker.until("verdict-lost");
  await worker.stop();
  expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  expect(runs).toBe(1);
});
