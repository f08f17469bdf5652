import * as fc from "fast-check";
import { expect } from "vitest";
import type { JobId } from "../../job-store.ts";
import { maintainAll, unknownId } from "../steps.ts";
import { cancelJob, modelPolicy, redriveJob } from "./job.ts";
import { closeSession, maintain, restart } from "./model.ts";
import { anyIndex, pick, plainStep, type Run, type Step, step } from "./step.ts";

const anyJobs = fc.array(anyIndex, { maxLength: 4 });

/** Cancels some jobs. */
export const cancelStep: fc.Arbitrary<Step> = step("cancel", anyJobs, cancel);

async function cancel(run: Run, indexes: number[]): Promise<void> {
  const { engine, model } = run;
  const ids = pickIds(run, indexes);
  const expected = ids.map((jobId) => {
    const job = model.jobs.get(jobId);
    return job ? cancelJob(job, model.clock) : "unknown";
  });
  expect(await engine.store.cancel(ids)).toEqual(expected);
}

/** Redrives some jobs. */
export const redriveStep: fc.Arbitrary<Step> = step("redrive", anyJobs, redrive);

async function redrive(run: Run, indexes: number[]): Promise<void> {
  const { engine, model } = run;
  const ids = pickIds(run, indexes);
  const expected = ids.map((jobId) => {
    const job = model.jobs.get(jobId);
    return job ? redriveJob(job, model.clock) : "unknown";
  });
  expect(await engine.store.redrive(ids)).toEqual(expected);
}

/** Jobs there are, now and then one that was pruned or never was; each once. */
function pickIds({ model }: Run, indexes: readonly number[]): JobId[] {
  const ids = [...model.jobs.keys(), ...[...model.pruned].slice(-2), unknownId];
  return [...new Set(indexes.flatMap((index) => pick(ids, index) ?? []))];
}

/** Calls `maintain`. */
export const maintainStep: fc.Arbitrary<Step> = plainStep("maintain", maintainBoth);

/** Calls `maintain` of the engine and does the same in the model. */
export async function maintainBoth({ engine, model }: Run): Promise<void> {
  const expected = maintain(model);
  expect(await maintainAll(engine.store, modelPolicy(engine.spanMs))).toEqual(expected);
}

/** Everything is handed back, cancelled and kept for its time: the store is empty, and must not forget that it was not. */
export const emptyStep: fc.Arbitrary<Step> = plainStep("empty", empty);

async function empty(run: Run): Promise<void> {
  const { engine, model } = run;
  for (const ended of model.sessions) {
    closeSession(model, ended);
    await engine.store.closeSession(ended.session);
  }
  for (const job of model.jobs.values()) cancelJob(job, model.clock);
  await engine.store.cancel([...model.jobs.keys()]);
  await model.clock.elapse(8);
  await maintainBoth(run);
  expect((await engine.store.list({ limit: 1 })).jobs).toEqual([]);
}

/** Whether a lease that has expired comes back with a restart is up to the engine, so those are ended before. */
export const reopenStep: fc.Arbitrary<Step> = plainStep("reopen", async (run) => {
  const { durability, exclusive } = run.engine.store.caps;
  if (durability === "memory") return;
  await maintainBoth(run);
  if (exclusive) restart(run.model);
  await run.engine.reopen();
});

/** Lets time pass. */
export const elapseStep: fc.Arbitrary<Step> = step("elapse", fc.constantFrom(1, 2, 4), ({ model }, spans) =>
  model.clock.elapse(spans),
);
