import type { JobSource, JobStore } from "@event-ingestion/store";
import { describe, expect, test } from "vitest";
import { remote, serve } from "./testing/server.ts";
import { setup, start } from "./testing/worker.ts";

type Ending = { as: "release" } | { as: "retry"; delayMs: number; error: string };

const failure: Ending = { as: "retry", delayMs: 0, error: "no" };

const fails = async () => {
  throw new Error("no");
};

/** Ends that many attempts of the one due job. */
async function endAttempts(store: JobStore, count: number, ending: Ending): Promise<void> {
  const session = await store.openSession("before", 60_000);
  for (let ended = 0; ended < count; ended++) {
    const [job] = await store.claim(session, 1);
    const verdict = { jobId: job?.jobId ?? "", attempt: job?.attempt ?? 0, ...ending };
    expect(await store.settle(session, [verdict])).toEqual(["ok"]);
  }
  await store.closeSession(session);
}

describe.each<[string, (store: JobStore) => Promise<JobSource>]>([
  ["in process", async (store) => store],
  ["over a server", async (store) => remote((await serve(store)).url)],
])("%s", (_name, sourceOf) => {
  test.for<[string, { maxAttempts: number; steps: number; prepare: (store: JobStore) => Promise<void> }]>([
    ["first failure", { maxAttempts: 12, steps: 0, prepare: async () => undefined }],
    [
      "third failure",
      { maxAttempts: 12, steps: 2, prepare: async (store) => endAttempts(store, 2, failure) },
    ],
    [
      "first failure after ten releases",
      { maxAttempts: 12, steps: 0, prepare: async (store) => endAttempts(store, 10, { as: "release" }) },
    ],
    [
      "first failure after a redrive",
      {
        maxAttempts: 4,
        steps: 0,
        async prepare(store) {
          await endAttempts(store, 4, failure);
          const { jobs } = await store.list({ limit: 1 });
          expect(await store.redrive(jobs.map(({ jobId }) => jobId))).toEqual(["queued"]);
        },
      },
    ],
  ])("the %s waits as the policy says", async ([, { maxAttempts, steps, prepare }]) => {
    const { store, add, job } = await setup();
    const jobId = await add({ maxAttempts });
    await prepare(store);
    const retryBaseMs = 1_000_000;
    const worker = start(await sourceOf(store), fails, { retryBaseMs, retryMaxMs: 1_000_000_000 });
    await worker.until("settled");
    const { nextAttemptAt = 0 } = await job(jobId);
    const leftMs = nextAttemptAt - (await store.counts()).asOf;
    // The delay is spread by 20 %, and what the test takes is far below the next step.
    expect(2 ** Math.round(Math.log2(leftMs / retryBaseMs))).toBe(2 ** steps);
  });
});
