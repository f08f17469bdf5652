import {
  checkImportSize,
  checkStoredJob,
  invalid,
  keptTrace,
  stateCode,
  type StoredJob,
} from "@event-ingestion/store";
import { createBodyWriter } from "../tables/body-writer.ts";
import { type Query, query } from "../database/driver.ts";
import { plainTimestamp } from "../tables/plain-event.ts";
import { isIdOf, type JobKey, parseJobId } from "../tables/job-id.ts";
import { limits } from "../limits.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** Imports jobs of another SQLite store, whose ids hold the `seq` of their rows. */
export function createImport({
  db,
  clock,
  steadyTime,
  counters,
  changes,
  waitingJobs,
}: StoreContext): Pick<Operations, "importJobs"> {
  const keyBySeq: Query<JobKey> = query(db, "SELECT seq, at, salt FROM job WHERE seq = ?");
  const insertJob = db.prepare(`INSERT INTO job(seq, at, salt, state, attempts, max_attempts, lost, run_at,
    finished_at, cancel, tenant, event_id) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(event_id, tenant) DO NOTHING`);
  const writeBodies = createBodyWriter(db);
  const insertResult = db.prepare("INSERT INTO result(seq, result) VALUES(?, ?)");
  const insertError = db.prepare("INSERT INTO attempt_error(seq, attempt, at, error) VALUES(?, ?, ?, ?)");

  const insert = (job: StoredJob, { seq, at, salt }: JobKey) => {
    const { state, attempts, maxAttempts, losses, tenant, eventId } = job;
    const runAt = state === "QUEUED" ? dueAt(job) : null;
    const end = job.finishedAt === undefined ? [null, 0] : [job.finishedAt, steadyTime.lead()];
    const progress = [stateCode[state], attempts, maxAttempts, losses, runAt, ...end];
    const { changes: inserted } = insertJob.run(seq, at, salt, ...progress, tenant, eventId);
    if (inserted === 0) throw invalid(`the event id of job ${job.jobId} belongs to another job`);
    const [timestamp, trace] = [plainTimestamp(job.timestamp), keptTrace(job.trace)];
    writeBodies([{ seq, jobId: job.jobId, event: { ...eventOf(job), timestamp, trace } }]);
    if (job.result !== undefined) insertResult.run(seq, job.result);
    for (const { attempt, at: failedAt, error } of job.errors) insertError.run(seq, attempt, failedAt, error);

    if (at < counters.get("lastAt")) counters.set("orderedSeq", seq);
    counters.set("lastSeq", seq);
    counters.set("lastAt", at);
    counters.moved(1, { to: state });
    changes.jobs.push(job.jobId);
    if (runAt !== null) {
      counters.set("delayedAt", clock.now());
      waitingJobs.entered(runAt);
      changes.nextDueAt = Math.min(changes.nextDueAt, runAt);
    } else if (state === "QUEUED") {
      changes.work = true;
    }
  };

  return {
    importJobs(jobs) {
      checkImportSize(jobs, limits);
      for (const job of jobs) {
        const key = checkedKey(job);
        const present = keyBySeq.get(key.seq);
        if (present !== undefined && isIdOf(present, key)) continue;
        // Below the highest number lies nothing that was never claimed: claims would pass it by.
        if (key.seq <= counters.get("lastSeq")) throw invalid(`job ${job.jobId} comes after younger ones`);
        insert(job, key);
      }
    },
  };
}

/** @throws StoreError invalid */
function checkedKey(job: StoredJob): JobKey {
  const key = parseJobId(job.jobId);
  if (key === undefined || key.at !== job.acceptedAt)
    throw invalid(`${job.jobId} is no id of a SQLite store`);
  checkStoredJob(job, limits);
  return key;
}

/** The event as it was accepted. */
function eventOf({ budget, ...job }: StoredJob) {
  return { ...job, maxAttempts: budget };
}

/** A fresh job has no `run_at`: it takes its turn by its `seq`. */
function dueAt({ attempts, acceptedAt, nextAttemptAt }: StoredJob): number | null {
  return nextAttemptAt ?? (attempts > 0 ? acceptedAt : null);
}
