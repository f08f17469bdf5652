import { StoreError, type Verdict } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { relaySessions } from "./remote-sessions.ts";
import { setup, wrap } from "../testing/worker.ts";

const noAnswer = () => new StoreError("unknown", "unavailable", "no answer");

const succeeded = (jobId: string, result: Uint8Array): Verdict => ({
  jobId,
  attempt: 1,
  as: "succeeded",
  result,
});

test("of a settlement in several requests, what was stored before one failed is not settled again", async () => {
  const { store, add } = await setup();
  let requests = 0;
  const source = relaySessions(
    wrap(store, {
      settle: async (session, verdicts) => {
        if (++requests === 2) throw noAnswer();
        return store.settle(session, verdicts);
      },
    }),
  );
  const session = await source.openSession("worker", 60_000);
  const result = new Uint8Array(64 * 1024);
  for (let n = 0; n < 120; n++) await add();
  const jobs = [...(await source.claim(session, 60)), ...(await source.claim(session, 60))];
  const verdicts = jobs.map(({ jobId }) => succeeded(jobId, result));
  await expect(source.settle(session, verdicts)).rejects.toThrow("no answer");
  expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 47, RUNNING: 73 });
  expect(await source.settle(session, verdicts)).toEqual(jobs.map(() => "ok"));
  expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 120 });
  // Once told, an answer is not told again.
  expect(await source.settle(session, verdicts)).toEqual(jobs.map(() => "lost"));
});

test("nor is it when the jobs are of two sessions, since the answer to a claim was lost between them", async () => {
  const { store, add } = await setup();
  let isLost = false;
  const settledBy: string[] = [];
  const source = relaySessions(
    wrap(store, {
      async claim(session, max) {
        if (!isLost) return store.claim(session, max);
        isLost = false;
        throw noAnswer();
      },
      settle: async (session, verdicts) => {
        settledBy.push(session.id);
        if (settledBy.length === 2) throw noAnswer();
        return store.settle(session, verdicts);
      },
    }),
  );
  const session = await source.openSession("worker", 60_000);
  await add();
  const first = await source.claim(session, 1);
  isLost = true;
  await expect(source.claim(session, 1)).rejects.toThrow("no answer");
  await add();
  const second = await source.claim(session, 1);
  const verdicts = [...first, ...second].map(({ jobId }) => succeeded(jobId, new Uint8Array()));
  await expect(source.settle(session, verdicts)).rejects.toThrow("no answer");
  expect(await source.settle(session, verdicts)).toEqual(["ok", "ok"]);
  expect(new Set(settledBy).size).toBe(2);
  expect((await store.counts()).byState).toMatchObject({ SUCCEEDED: 2 });
});
