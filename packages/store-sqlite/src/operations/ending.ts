import { keptError, keptErrors, lossesBeforeIsolation, stateCode } from "@event-ingestion/store";
import { formatJobId } from "../tables/job-id.ts";
import type { StoreContext } from "./store-context.ts";

/** The columns of a RUNNING job that decide how it leaves this state. */
export interface RunningRow {
  seq: number;
  at: number;
  salt: number;
  attempts: number;
  max_attempts: number;
  lost: number;
  cancel: number;
}

/** The columns of a `RunningRow`. */
export const runningColumns = "seq, at, salt, attempts, max_attempts, lost, cancel";

/** Why an attempt ended without success. "lost": its worker gave no sign of life; after `limit` losses the job is dead. */
export type Ending =
  | { as: "dead"; error: string }
  | { as: "cancelled" }
  | { as: "retry"; delayMs: number; error: string }
  | { as: "release" }
  | { as: "lost"; limit: number };

/** Where a RUNNING job goes. */
interface Next {
  state: "QUEUED" | "DEAD" | "CANCELLED";
  runAt: number | null;
  error?: string;
}

/** Takes one job out of RUNNING and says where it went. */
export type EndAttempt = (job: RunningRow, ending: Ending) => Next["state"];

/** The common end of all attempts: verdicts, lost sessions and cancels. */
export function createEndAttempt({
  db,
  clock,
  steadyTime,
  counters,
  changes,
  waitingJobs,
}: StoreContext): EndAttempt {
  const leave = db.prepare(`UPDATE job SET state = ?, max_attempts = ?, lost = ?, run_at = ?, finished_at = ?,
    cancel = ?, session = NULL WHERE seq = ?`);
  const addError = db.prepare("INSERT INTO attempt_error(seq, attempt, at, error) VALUES(?, ?, ?, ?)");
  const dropErrors = db.prepare("DELETE FROM attempt_error WHERE seq = ? AND attempt <= ?");

  return (job, ending) => {
    const now = clock.now();
    const { state, runAt, error } = nextOf(job, ending, now);
    // What is handed back unrun keeps its budget.
    const maxAttempts = job.max_attempts + (ending.as === "release" && state === "QUEUED" ? 1 : 0);
    const lost = job.lost + (ending.as === "lost" ? 1 : 0);
    const [finishedAt, lead] = runAt === null ? [now, steadyTime.lead()] : [null, 0];
    leave.run(stateCode[state], maxAttempts, lost, runAt, finishedAt, lead, job.seq);
    if (runAt !== null) {
      counters.set("delayedAt", now);
      waitingJobs.entered(runAt);
    }
    if (error !== undefined) {
      addError.run(job.seq, job.attempts, now, keptError(error));
      if (job.attempts > keptErrors) dropErrors.run(job.seq, job.attempts - keptErrors);
    }
    counters.moved(1, { from: "RUNNING", to: state });
    changes.jobs.push(formatJobId(job));
    if (runAt !== null && runAt <= now) changes.work = true;
    else if (runAt !== null) changes.nextDueAt = Math.min(changes.nextDueAt, runAt);
    return state;
  };
}

function nextOf(job: RunningRow, ending: Ending, now: number): Next {
  const again = (runAt: number): Next =>
    job.cancel === 1 ? { state: "CANCELLED", runAt: null } : { state: "QUEUED", runAt };
  /** Another attempt, if the budget allows one and nobody asked for an end. */
  const failed = (runAt: number, error: string): Next => {
    const next = again(runAt);
    const isSpent = next.state === "QUEUED" && job.attempts >= job.max_attempts;
    return isSpent ? { state: "DEAD", runAt: null, error } : { ...next, error };
  };
  switch (ending.as) {
    case "dead":
      return { state: "DEAD", runAt: null, error: ending.error };
    case "cancelled":
      return { state: "CANCELLED", runAt: null };
    case "retry":
      return failed(now + Math.max(0, Math.ceil(ending.delayMs)), ending.error);
    case "release":
      return again(now);
    case "lost": {
      const next = failed(now, "worker lost");
      const wasAlone = job.lost >= lossesBeforeIsolation;
      const isLast = next.state === "QUEUED" && wasAlone && job.lost + 1 >= ending.limit;
      return isLast ? { ...next, state: "DEAD", runAt: null } : next;
    }
  }
}
