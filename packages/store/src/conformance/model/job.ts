import {
  type Job,
  type JobId,
  lossesBeforeIsolation,
  type NewEvent,
  type Policy,
  type State,
  type Verdict,
} from "../../job-store.ts";
import type { ModelClock, Timer } from "./clock.ts";

/** One job as the port describes it, and the ways it moves between its states. */
export interface ModelJob {
  readonly jobId: JobId;
  readonly event: NewEvent;
  state: State;
  attempts: number;
  maxAttempts: number;
  /** Attempts of the current budget that failed or were lost. */
  failures: number;
  lost: number;
  cancelRequested: boolean;
  errors: { attempt: number; error: string }[];
  result?: Uint8Array | undefined;
  /** The id of the session that holds a RUNNING job. */
  session?: string | undefined;
  /** Until a QUEUED job is due. */
  due: Timer;
  /** While a terminal job is kept. */
  kept?: Timer;
}

const keepSpans = { SUCCEEDED: 4, CANCELLED: 4, DEAD: 8 };
const workerLostLimit = 3;

/** What the model expects maintain to be called with. */
export function modelPolicy(spanMs: number): Policy {
  const { SUCCEEDED, CANCELLED, DEAD } = keepSpans;
  const keepMs = { SUCCEEDED: SUCCEEDED * spanMs, CANCELLED: CANCELLED * spanMs, DEAD: DEAD * spanMs };
  return { workerLostLimit, keepMs };
}

/** A new job: QUEUED. */
export function acceptJob(jobId: JobId, event: NewEvent, due: Timer): ModelJob {
  const { maxAttempts } = event;
  const fresh = { state: "QUEUED", attempts: 0, failures: 0, lost: 0, cancelRequested: false } as const;
  return { ...fresh, jobId, event, maxAttempts, due, errors: [] };
}

/** QUEUED becomes RUNNING. */
export function claimJob(job: ModelJob, session: string): void {
  Object.assign(job, { state: "RUNNING", attempts: job.attempts + 1, session });
}

/** A verdict of the session that holds the job, about its current attempt. */
export function settleJob(job: ModelJob, verdict: Verdict, clock: ModelClock): void {
  switch (verdict.as) {
    case "succeeded":
      job.result = verdict.result;
      return finish(job, "SUCCEEDED", clock);
    case "cancelled":
      return finish(job, "CANCELLED", clock);
    case "dead":
      fail(job, verdict.error);
      return finish(job, "DEAD", clock);
    case "release":
      return releaseJob(job, clock);
    case "retry":
      fail(job, verdict.error);
      if (job.cancelRequested) return finish(job, "CANCELLED", clock);
      if (job.attempts >= job.maxAttempts) return finish(job, "DEAD", clock);
      return requeue(job, clock.timer(verdict.delayMs));
  }
}

/** RUNNING becomes QUEUED again, without a failure. */
export function releaseJob(job: ModelJob, clock: ModelClock): void {
  if (job.cancelRequested) return finish(job, "CANCELLED", clock);
  job.maxAttempts++;
  requeue(job, clock.timer(0));
}

/** The session that holds the job has ended without a word. */
export function loseJob(job: ModelJob, clock: ModelClock): void {
  fail(job, "worker lost");
  job.lost++;
  if (job.cancelRequested) return finish(job, "CANCELLED", clock);
  if (job.lost >= workerLostLimit || job.attempts >= job.maxAttempts) return finish(job, "DEAD", clock);
  requeue(job, clock.timer(0));
}

/** What `cancel` does to a job, and answers. */
export function cancelJob(job: ModelJob, clock: ModelClock): "cancelled" | "requested" | "terminal" {
  if (job.state === "RUNNING") {
    job.cancelRequested = true;
    return "requested";
  }
  if (job.state !== "QUEUED") return "terminal";
  finish(job, "CANCELLED", clock);
  return "cancelled";
}

/** What `redrive` does to a job, and answers. */
export function redriveJob(job: ModelJob, clock: ModelClock): "queued" | "notTerminal" {
  if (job.state !== "DEAD" && job.state !== "CANCELLED") return "notTerminal";
  if (job.state === "CANCELLED") job.attempts++;
  job.maxAttempts = job.attempts + job.event.maxAttempts;
  job.failures = 0;
  job.lost = 0;
  requeue(job, clock.timer(0));
  return "queued";
}

/** Whether a job is isolated. */
export const runsAlone = ({ lost }: ModelJob): boolean => lost >= lossesBeforeIsolation;

/** Whether a job is not in a terminal state. */
export const isLive = ({ state }: Pick<Job, "state">): boolean => state === "QUEUED" || state === "RUNNING";

function finish(job: ModelJob, state: keyof typeof keepSpans, clock: ModelClock): void {
  Object.assign(job, {
    state,
    session: undefined,
    cancelRequested: false,
    kept: clock.timer(keepSpans[state] * clock.spanMs),
  });
}

function requeue(job: ModelJob, due: Timer): void {
  Object.assign(job, { state: "QUEUED", session: undefined, due });
}

/** Only failures among the last 20 attempts are kept, counted from the newest failure. */
function fail(job: ModelJob, error: string): void {
  job.failures++;
  job.errors.push({ attempt: job.attempts, error });
  job.errors = job.errors.filter(({ attempt }) => attempt > job.attempts - 20);
}
