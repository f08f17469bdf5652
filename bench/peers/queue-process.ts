// Produces and works off jobs of another queue in one process. QUEUE is the file in this folder that speaks to it,
// DATABASE its URL.
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { callInLoop, type LoopResult } from "../load/loop.ts";
import { payload } from "../payload.ts";
import { answers } from "../process/probe.ts";
import type { Job, OpenQueue } from "./queue.ts";

const { QUEUE = "", DATABASE = "" } = process.env;
const { default: openQueue } = (await import(`./${QUEUE}`)) as { default: OpenQueue };
const queue = await openQueue(DATABASE);

const jobsPerCall = 1000;
const pollMs = 5;
const newJob = (): Job => ({ event: payload, sentAt: performance.now() });

/** Adds single jobs. */
answers("add", (options: { inFlight: number; seconds: number }): Promise<LoopResult> => {
  const { inFlight, seconds } = options;
  return callInLoop({ inFlight, until: { seconds } }, newJob, async (job) => {
    await queue.add(job);
    return 1;
  });
});

const latencies = createHistogram();
let handled = 0;
const work = (): Promise<unknown> =>
  queue.work(({ sentAt }) => {
    handled++;
    latencies.record(Math.max(1, Math.round((performance.now() - sentAt) * 1e6)));
  });
let working: Promise<unknown> | undefined;

/** Adds `count` jobs while workers run, and waits until the database says that all are done. */
answers("toDone", async ({ count }: { count: number }): Promise<LoopResult> => {
  await (working ??= work());
  const batch = () => Array.from({ length: jobsPerCall }, newJob);
  const wanted = handled + count;
  const start = performance.now();
  const result = await callInLoop(
    { inFlight: 2, perCall: jobsPerCall, until: { count } },
    batch,
    async (jobs) => {
      await queue.addMany(jobs);
      return jobs.length;
    },
  );
  await until(() => handled >= wanted);
  await until(() => queue.idle());
  return { ...result, seconds: (performance.now() - start) / 1000 };
});

/** Adds single jobs at a rate; the latencies are from adding one to its handler being called. */
answers("start", async (options: { perSecond: number; seconds: number }): Promise<LoopResult> => {
  await (working ??= work());
  latencies.reset();
  const { perSecond, seconds } = options;
  const before = handled;
  const result = await callInLoop({ inFlight: 1000, perSecond, until: { seconds } }, newJob, async (job) => {
    await queue.add(job);
    return 1;
  });
  await until(() => handled >= before + result.count);
  return { ...result, p50Ms: latencies.percentile(50) / 1e6, p99Ms: latencies.percentile(99) / 1e6 };
});

async function until(reached: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await reached())) await sleep(pollMs);
}
