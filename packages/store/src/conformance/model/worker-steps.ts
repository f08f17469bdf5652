import * as fc from "fast-check";
import { expect } from "vitest";
import type { JobId, Leased } from "../../job-store.ts";
import { bytes, type Ending, verdictOn } from "../steps.ts";
import { compareJobs } from "./compare.ts";
import { claimJob, type ModelJob, runsAlone } from "./job.ts";
import { canClaim, claimable, closeSession, heldJobs, type ModelSession, settle } from "./model.ts";
import { maintainBoth } from "./operator-steps.ts";
import { anyIndex, anyOf, pick, type Run, type Step, step } from "./step.ts";

/** Opens a session. */
export const openSessionStep: fc.Arbitrary<Step> = step(
  "openSession",
  anyOf({ leaseSpans: fc.constantFrom(2, 2, 100), remote: fc.boolean() }),
  async (run, { leaseSpans, remote }) => {
    await openSession(run, { leaseSpans, remote });
  },
);

async function openSession(
  { engine, model }: Run,
  { leaseSpans, remote }: { leaseSpans: number; remote: boolean },
): Promise<ModelSession> {
  const worker = `worker-${model.sessions.length}`;
  const ttlMs = leaseSpans * engine.spanMs;
  const lease = model.clock.timer(ttlMs);
  const session = await engine.store.openSession(worker, ttlMs, remote ? "remote" : "process");
  const opened = { session, worker, remote, lease, open: true };
  model.sessions.push(opened);
  return opened;
}

/** Workers that are lost with what they were given, one after the other: a job that is often lost runs alone. */
export const crashStep: fc.Arbitrary<Step> = step(
  "crash",
  anyOf({ times: fc.integer({ min: 1, max: 3 }), max: fc.integer({ min: 1, max: 8 }) }),
  async (run, { times, max }) => {
    for (let crash = 0; crash < times; crash++) {
      const crashing = await openSession(run, { leaseSpans: 2, remote: true });
      await claim(run, crashing, max);
      await run.model.clock.elapse(2);
      await run.model.clock.settle();
      await maintainBoth(run);
      await compareJobs(run.engine.store, run.model, run.seen);
    }
  },
);

/** Claims for one of the sessions. */
export const claimStep: fc.Arbitrary<Step> = step(
  "claim",
  anyOf({ index: anyIndex, max: fc.integer({ min: 1, max: 8 }) }),
  async (run, { index, max }) => {
    const claimer = pickSession(run, index);
    if (claimer !== undefined) await claim(run, claimer, max);
  },
);

async function claim(run: Run, claimer: ModelSession, max: number): Promise<void> {
  const { engine, model } = run;
  const due = claimable(model, claimer);
  const leased = await engine.store.claim(claimer.session, max);
  expect(leased).toHaveLength(Math.min(due.some(runsAlone) ? 1 : max, due.length));
  for (const { jobId, attempt, failures, event } of leased) {
    const job = due.find((candidate) => candidate.jobId === jobId && candidate.state === "QUEUED");
    if (job === undefined) throw new Error(`${jobId} was not due`);
    claimJob(job, claimer.session.id);
    expect({ attempt, failures }).toEqual({ attempt: job.attempts, failures: job.failures });
    const { tenant, eventId, type, payload, timestamp } = job.event;
    expect(event).toMatchObject({ tenant, eventId, type, timestamp });
    expect(Buffer.compare(event.payload, payload)).toBe(0);
  }
  expectOldest(run, leased, due);
}

/** Nothing that was due is older than what was claimed. */
function expectOldest({ seen }: Run, leased: readonly Leased[], due: readonly ModelJob[]): void {
  const dueAt = (jobId: JobId) => seen.get(jobId)?.nextAttemptAt ?? seen.get(jobId)?.acceptedAt ?? 0;
  const left = due.filter(({ state }) => state === "QUEUED").map(({ jobId }) => dueAt(jobId));
  for (const { jobId } of leased) expect(dueAt(jobId)).toBeLessThanOrEqual(Math.min(...left));
}

/** The delay of a retry is in spans. */
const anyEnding = fc.constantFrom<Ending[]>(
  { as: "succeeded" },
  { as: "succeeded" },
  { as: "succeeded" },
  { as: "succeeded", result: bytes("result") },
  { as: "dead", error: "dead" },
  { as: "cancelled" },
  { as: "release" },
  { as: "retry", delayMs: 0, error: "at once" },
  { as: "retry", delayMs: 2, error: "later" },
);

/** Mostly a run of neighbours that the session holds, all in one way; also others' jobs, and attempts of before. */
export const settleStep: fc.Arbitrary<Step> = step(
  "settle",
  anyOf({
    index: anyIndex,
    jobs: fc.oneof(fc.constantFrom("held" as const, "held", "running"), fc.array(anyIndex, { maxLength: 6 })),
    attempt: fc.constantFrom("current" as const, "current", "first", "previous"),
    endings: fc.oneof(fc.tuple(anyEnding), fc.array(anyEnding, { minLength: 1, maxLength: 3 })),
  }),
  settleSome,
);

interface AnyVerdicts {
  index: number;
  /** Which jobs: what the session holds, all that are RUNNING, or those. */
  jobs: "held" | "running" | number[];
  attempt: "current" | "first" | "previous";
  /** One after the other, and again from the first. */
  endings: Ending[];
}

async function settleSome(run: Run, { index, jobs, attempt, endings }: AnyVerdicts): Promise<void> {
  const { engine, model } = run;
  const settler = pickSession(run, index);
  if (settler === undefined) return;
  const verdicts = pickJobs(run, settler, jobs).map(({ jobId, attempts }, place) => {
    const ending = scaled(pick(endings, place) ?? { as: "succeeded" }, engine.spanMs);
    return verdictOn(jobId, ending, { current: attempts, first: 1, previous: attempts - 1 }[attempt]);
  });
  const expected = verdicts.map((verdict) => settle(model, settler.session, verdict));
  expect(await engine.store.settle(settler.session, verdicts)).toEqual(expected);
}

function pickJobs({ model }: Run, { session }: ModelSession, wanted: AnyVerdicts["jobs"]): ModelJob[] {
  if (wanted === "held") return heldJobs(model, session);
  const jobs = [...model.jobs.values()];
  if (wanted === "running") return jobs.filter(({ state }) => state === "RUNNING");
  return wanted.flatMap((index) => pick(jobs, index) ?? []);
}

const scaled = (ending: Ending, spanMs: number): Ending =>
  ending.as === "retry" ? { ...ending, delayMs: ending.delayMs * spanMs } : ending;

/** Renews one of the sessions. */
export const heartbeatStep: fc.Arbitrary<Step> = step("heartbeat", anyIndex, heartbeat);

async function heartbeat(run: Run, index: number): Promise<void> {
  const { engine, model } = run;
  const beating = pickSession(run, index);
  if (beating === undefined) return;
  const lost = !canClaim(beating);
  if (!lost) beating.lease = model.clock.timer(beating.session.ttlMs);
  const asked = heldJobs(model, beating.session).filter(({ cancelRequested }) => cancelRequested && !lost);
  const answer = await engine.store.heartbeat(beating.session);
  expect(answer.lost).toBe(lost);
  expect(new Set(answer.cancelRequested)).toEqual(new Set(asked.map(({ jobId }) => jobId)));
}

/** Closes one of the sessions. */
export const closeSessionStep: fc.Arbitrary<Step> = step("closeSession", anyIndex, async (run, index) => {
  const closing = pickSession(run, index);
  if (closing === undefined) return;
  closeSession(run.model, closing);
  await run.engine.store.closeSession(closing.session);
});

/** The later sessions are picked more often: the others have mostly ended. */
function pickSession({ model: { sessions } }: Run, index: number): ModelSession | undefined {
  return pick(index % 4 === 0 ? sessions : sessions.slice(-2), index);
}
