import { type JobId, lossesBeforeIsolation, stateCode } from "@event-ingestion/store";
import { type Query, query } from "../database/driver.ts";
import { isIdOf, parseJobId } from "../tables/job-id.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

interface Target {
  seq: number;
  at: number;
  salt: number;
  state: number;
  attempts: number;
  lost: number;
  run_at: number | null;
  budget: number;
}

/** What operators do to jobs. */
export function createInterventions({
  db,
  clock,
  steadyTime,
  counters,
  changes,
  waitingJobs,
}: StoreContext): Pick<Operations, "cancel" | "redrive"> {
  const bySeq: Query<Target> = query(
    db,
    "SELECT j.seq, j.at, j.salt, j.state, j.attempts, j.lost, j.run_at, b.budget FROM job j JOIN body b USING(seq) WHERE j.seq = ?",
  );
  const cancelQueued = db.prepare(
    "UPDATE job SET state = 5, run_at = NULL, finished_at = ?, cancel = ? WHERE seq = ?",
  );
  const requestCancel = db.prepare("UPDATE job SET cancel = 1 WHERE seq = ?");
  const requeue = db.prepare(`UPDATE job SET state = 1, attempts = ?, max_attempts = ?, lost = 0, run_at = ?,
    finished_at = NULL, cancel = 0 WHERE seq = ?`);

  const find = (id: JobId): Target | undefined => {
    const key = parseJobId(id);
    if (key === undefined) return undefined;
    const target = bySeq.get(key.seq);
    return target !== undefined && isIdOf(target, key) ? target : undefined;
  };

  const cancel = (id: JobId) => {
    const target = find(id);
    if (target === undefined) return "unknown";
    if (target.state !== stateCode.QUEUED && target.state !== stateCode.RUNNING) return "terminal";
    changes.jobs.push(id);
    if (target.state === stateCode.RUNNING) {
      requestCancel.run(target.seq);
      return "requested";
    }
    cancelQueued.run(clock.now(), steadyTime.lead(), target.seq);
    counters.moved(1, { from: "QUEUED", to: "CANCELLED" });
    if (target.run_at !== null) waitingJobs.left(target.run_at);
    // Sessions may have waited for it to run alone.
    if (target.lost >= lossesBeforeIsolation) changes.work = true;
    return "cancelled";
  };

  const redrive = (id: JobId) => {
    const target = find(id);
    if (target === undefined) return "unknown";
    if (target.state !== stateCode.DEAD && target.state !== stateCode.CANCELLED) return "notTerminal";
    // A CANCELLED job uses up an attempt number: its revision is the last below that of the next attempt.
    const attempts = target.attempts + (target.state === stateCode.CANCELLED ? 1 : 0);
    const now = clock.now();
    requeue.run(attempts, attempts + target.budget, now, target.seq);
    counters.set("delayedAt", now);
    waitingJobs.entered(now);
    counters.moved(1, { from: target.state === stateCode.DEAD ? "DEAD" : "CANCELLED", to: "QUEUED" });
    changes.jobs.push(id);
    changes.work = true;
    return "queued";
  };

  return {
    cancel: (ids) => ids.map(cancel),
    redrive: (ids) => ids.map(redrive),
  };
}
