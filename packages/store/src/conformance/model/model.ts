import type { Appended, JobId, NewEvent, Session, Verdict } from "../../job-store.ts";
import type { ModelClock, Timer } from "./clock.ts";
import { isLive, loseJob, type ModelJob, releaseJob, runsAlone, settleJob } from "./job.ts";

/** A session as the model has it. */
export interface ModelSession {
  readonly session: Session;
  readonly worker: string;
  readonly remote: boolean;
  lease: Timer;
  /** Until close, maintain or a restart has ended it. One that has expired is open until then. */
  open: boolean;
}

/** What a store must answer: all its jobs and one rule at a time, nothing about batches, indexes or disks. */
export interface Model {
  readonly clock: ModelClock;
  readonly jobs: Map<JobId, ModelJob>;
  readonly pruned: Set<JobId>;
  readonly sessions: ModelSession[];
}

/** A model of an empty store. */
export function createModel(clock: ModelClock): Model {
  return { clock, jobs: new Map(), pruned: new Set(), sessions: [] };
}

/** What `lookup` answers. */
export function lookupEvent({ jobs }: Model, { tenant, eventId, type, payload }: NewEvent): Appended | null {
  for (const { jobId, event } of jobs.values()) {
    if (event.tenant !== tenant || event.eventId !== eventId) continue;
    const same = event.type === type && Buffer.compare(event.payload, payload) === 0;
    return { outcome: same ? "DUPLICATE" : "CONFLICT", jobId };
  }
  return null;
}

/** Whether a session may claim. */
export const canClaim = ({ open, lease }: ModelSession): boolean => open && !lease.passed();

/** The jobs that may be claimed now. */
export function dueJobs({ jobs }: Model): ModelJob[] {
  return [...jobs.values()].filter(({ state, due }) => state === "QUEUED" && due.passed());
}

/** What one claim of a session chooses from. Of those that run alone it gets one. */
export function claimable(model: Model, claimer: ModelSession): ModelJob[] {
  const held = heldJobs(model, claimer.session);
  if (!canClaim(claimer) || held.some(runsAlone)) return [];
  const due = dueJobs(model);
  const alone = due.filter(runsAlone);
  if (alone.length === 0) return due;
  return held.length === 0 ? alone : [];
}

/** What a session holds, also after it has expired. */
export function heldJobs({ jobs }: Model, { id }: Session): ModelJob[] {
  return [...jobs.values()].filter(({ session }) => session === id);
}

/** What `settle` does, and answers. */
export function settle({ jobs, clock }: Model, { id }: Session, verdict: Verdict): "ok" | "lost" {
  const job = jobs.get(verdict.jobId);
  if (job?.session !== id || job.attempts !== verdict.attempt) return "lost";
  settleJob(job, verdict, clock);
  return "ok";
}

/** What `closeSession` does. */
export function closeSession(model: Model, ended: ModelSession): void {
  ended.open = false;
  for (const job of heldJobs(model, ended.session)) releaseJob(job, model.clock);
}

/** Ends what has expired, then forgets what was kept long enough. */
export function maintain(model: Model): { requeued: number; died: number; pruned: number } {
  const expired = model.sessions.filter(({ open, lease }) => open && lease.passed());
  const lost = expired.flatMap((session) => loseSession(model, session));
  const gone = [...model.jobs.values()].filter((job) => !isLive(job) && job.kept?.passed());
  for (const { jobId } of gone) {
    model.jobs.delete(jobId);
    model.pruned.add(jobId);
  }
  return {
    requeued: lost.filter(({ state }) => state === "QUEUED").length,
    died: lost.filter(({ state }) => state === "DEAD").length,
    pruned: gone.length,
  };
}

/** An exclusive store is opened again: sessions of the process are over, remote ones have their full lease. */
export function restart(model: Model): void {
  for (const session of model.sessions.filter(({ open }) => open)) {
    if (session.remote) session.lease = model.clock.timer(session.session.ttlMs);
    else loseSession(model, session);
  }
}

function loseSession(model: Model, session: ModelSession): ModelJob[] {
  session.open = false;
  const held = heldJobs(model, session.session);
  for (const job of held) loseJob(job, model.clock);
  return held;
}
