import { type JobSource, type JobStore, StoreError, type Verdict } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { Reject } from "../handler.ts";
import { setup, start, wrap } from "../testing/worker.ts";

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

/** A store that refuses to settle whatever has a verdict that is like this. */
function refusing(store: JobStore, isBad: (verdict: Verdict) => boolean): JobSource {
  return wrap(store, {
    settle(session, verdicts) {
      if (!verdicts.some(isBad)) return store.settle(session, verdicts);
      return Promise.reject(new StoreError("notApplied", "invalid", "a result may not be bad"));
    },
  });
}

test("a verdict that the store refuses becomes a retry that says so, and keeps no other from it", async () => {
  const { store, add, job } = await setup();
  const [first, bad, last] = [await add(), await add({ type: "bad" }), await add()];
  const source = refusing(store, ({ as }) => as === "dead");
  const worker = start(source, async ({ type }, { attempt }) => {
    if (type === "bad" && attempt === 1) throw new Reject("no good");
  });
  await worker.until("settled", 4);
  for (const jobId of [first, last])
    expect(await job(jobId)).toMatchObject({ state: "SUCCEEDED", attempts: 1 });
  const error = 'the outcome "dead" of this attempt cannot be stored: a result may not be bad';
  expect(await job(bad)).toMatchObject({ state: "SUCCEEDED", attempts: 2, lastError: error });
  expect(worker.settled()).toContainEqual(expect.objectContaining({ jobId: bad, outcome: "retry", error }));
  expect(worker.count("store-error")).toBe(1);
});

test("a job whose verdict is refused in every form is free when the worker stops", async () => {
  const { store, add, job } = await setup();
  const [good, bad] = [await add(), await add()];
  const worker = start(
    refusing(store, ({ jobId }) => jobId === bad),
    async () => undefined,
  );
  await worker.until("verdict-lost");
  await worker.until("settled");
  expect(await job(good)).toMatchObject({ state: "SUCCEEDED" });
  await worker.stop();
  const { state, attempts, maxAttempts } = await job(bad);
  expect([state, maxAttempts - attempts]).toEqual(["QUEUED", 3]);
});
