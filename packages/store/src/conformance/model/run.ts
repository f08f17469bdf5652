import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { ConformanceBackend } from "../backend.ts";
import { startEngine } from "../case.ts";
import { seed } from "../seed.ts";
import { endings, longMs, verdictOn } from "../steps.ts";
import { createModelClock } from "./clock.ts";
import { compareAll, compareJobs } from "./compare.ts";
import { createModel } from "./model.ts";
import {
  cancelStep,
  elapseStep,
  emptyStep,
  maintainStep,
  redriveStep,
  reopenStep,
} from "./operator-steps.ts";
import { appendStep, lookupStep } from "./producer-steps.ts";
import { plainStep, type Run, type Step } from "./step.ts";
import {
  claimStep,
  closeSessionStep,
  crashStep,
  heartbeatStep,
  openSessionStep,
  settleStep,
} from "./worker-steps.ts";

/** What makes trouble is more likely than in a service. */
const anyStep = fc.oneof(
  { weight: 6, arbitrary: appendStep },
  { weight: 1, arbitrary: lookupStep },
  { weight: 3, arbitrary: openSessionStep },
  { weight: 8, arbitrary: claimStep },
  { weight: 8, arbitrary: settleStep },
  { weight: 2, arbitrary: heartbeatStep },
  { weight: 1, arbitrary: closeSessionStep },
  { weight: 1, arbitrary: crashStep },
  { weight: 3, arbitrary: cancelStep },
  { weight: 3, arbitrary: redriveStep },
  { weight: 3, arbitrary: maintainStep },
  { weight: 3, arbitrary: elapseStep },
  { weight: 1, arbitrary: emptyStep },
  { weight: 1, arbitrary: reopenStep },
  { weight: 1, arbitrary: plainStep("compare", ({ engine, model }) => compareAll(engine.store, model)) },
);

/** Any calls in any order, with reopenings and time that passes, answered as the model answers them. */
export function modelCases(backend: ConformanceBackend): void {
  const { numRuns, limitMs } = effort(backend.spanMs);
  test(
    `F15 random calls against a model, SEED=${seed} MODEL_RUNS=${numRuns}`,
    { timeout: 1.5 * limitMs },
    async () => {
      let stores = 0;
      const property = fc.asyncProperty(fc.array(anyStep, { maxLength: 200, size: "max" }), async (steps) => {
        const { engine, close } = await startEngine(backend, `model-${++stores}`);
        try {
          await compare({ engine, model: createModel(createModelClock(engine)), seen: new Map() }, steps);
        } finally {
          await close();
        }
      });
      await fc.assert(property, { seed, numRuns, interruptAfterTimeLimit: limitMs });
      expect(stores).toBe(numRuns);
    },
  );
}

/** How many runs, and the time for them and for making one that fails smaller. Where time is slept they take longer. */
function effort(spanMs: number): { numRuns: number; limitMs: number } {
  const sleeps = spanMs < 10_000;
  const numRuns = Number(process.env["MODEL_RUNS"] ?? (sleeps ? 2 : 20));
  return { numRuns, limitMs: 60_000 + numRuns * (sleeps ? 40_000 : 3000) };
}

async function compare(run: Run, steps: readonly Step[]): Promise<void> {
  const { engine, model, seen } = run;
  for (const step of steps) {
    await model.clock.settle();
    await step.perform(run);
    await compareJobs(engine.store, model, seen);
  }
  await model.clock.settle();
  await compareAll(engine.store, model);
  await drain(run);
}

/** While a worker lives, every job is claimed in the end. */
async function drain({ engine: { store }, model }: Run): Promise<void> {
  for (const { session } of model.sessions) await store.closeSession(session);
  await model.clock.elapse(2);
  const session = await store.openSession("last", longMs);
  let leased = await store.claim(session, 1000);
  while (leased.length > 0) {
    const verdicts = leased.map(({ jobId, attempt }) => verdictOn(jobId, endings.SUCCEEDED, attempt));
    await store.settle(session, verdicts);
    leased = await store.claim(session, 1000);
  }
  expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 0 });
}
