import type { JobId, Leased, Session } from "@event-ingestion/store";
import { defaultType, type Handler } from "../handler.ts";
import type { AttemptId } from "../observe.ts";
import type { WorkerSettings } from "../options.ts";
import { createOutbox } from "./outbox.ts";
import { createRunner } from "./runner.ts";
import { callUntilAnswered } from "./store-call.ts";

/** Jobs in one claim, so that a call stays short. */
const maxClaim = 1000;
/** Handlers begun in one turn of the event loop, so that a turn stays short. */
const maxStarts = 256;

/** Moves the jobs of one session from claim to settled verdict. */
export interface Dispatcher {
  /** The attempts whose handlers run now and whose outcome counts. */
  attempts: () => AttemptId[];
  /** There may be due jobs: asks the store, now or as soon as there is room. */
  wake: () => void;
  /** Somebody asked to cancel these jobs. */
  cancel: (jobIds: readonly JobId[]) => void;
  /** Claims nothing more and hands the buffer back. Resolves when no job is held. */
  drain: () => Promise<void>;
  /** Ends all running attempts. "shutdown" hands their jobs back; "lost" drops everything, for good. */
  interrupt: (why: "lost" | "shutdown") => void;
}

/** What a dispatcher needs to know. */
export interface DispatcherOptions {
  settings: WorkerSettings;
  session: Session;
  /** Aborts when the session is no longer ours. */
  over: AbortSignal;
}

/**
 * A job that is held is in exactly one place:
 * - buffer: claimed, not begun. Entered by a claim. Left for running when a slot is free; for the outbox when it is
 *   cancelled, has no handler, or the worker drains.
 * - running: its handler was called and its outcome counts; at most `concurrency`. Left for the outbox when the handler
 *   ends, times out (it may run on, but frees its slot) or is interrupted by shutdown.
 * - outbox: has a verdict. Left when the store has answered, whatever the answer is.
 *
 * The dispatcher is in one of three states:
 * - open: claims when there may be due jobs and room for at least half of `concurrency`, so that slow handlers do not
 *   cause a claim each. Never more than 2 x `concurrency` jobs are held, verdicts under way included.
 * - draining: entered by `drain`. The buffer is empty and stays so; a claim under way is handed back when it arrives.
 * - over: entered when `over` aborts. The store has given our jobs to others, so every job and verdict is forgotten and
 *   what still comes of a handler or a call is dropped.
 *
 * All work is done in `turn`, once for each turn of the event loop in which something happened: what ends in one turn
 * is settled by one call, and an idle worker adds no delay to it.
 */
export function createDispatcher({ settings, session, over }: DispatcherOptions): Dispatcher {
  const { source, concurrency, observe } = settings;
  const handlers = new Map(settings.handlers.map((handler) => [handler.type, handler]));
  const buffer: Leased[] = [];
  const claims = new AbortController();
  const empty = Promise.withResolvers<void>();
  let mayHaveJobs = true;
  let claiming = false;
  let scheduled = false;

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  const outbox = createOutbox({ settings, session, over }, schedule);
  const runner = createRunner(settings, (settlement) => {
    outbox.push(settlement);
    schedule();
  });

  const turn = () => {
    scheduled = false;
    if (over.aborted) return;
    startBuffered();
    outbox.flush();
    claimIfRoom();
    if (claims.signal.aborted && runner.running + outbox.size === 0) empty.resolve();
  };

  const startBuffered = () => {
    for (let starts = 0; buffer.length > 0 && runner.running < concurrency; starts++) {
      if (starts === maxStarts) return schedule();
      const job = buffer.shift();
      if (job !== undefined) start(job, handlers.get(job.event.type) ?? handlers.get(defaultType));
    }
  };

  const start = (job: Leased, handler: Handler | undefined) => {
    if (handler !== undefined) return runner.start(job, handler);
    settleUnrun(job, { as: "dead", error: `no handler for type "${job.event.type}"` });
  };

  const settleUnrun = (job: Leased, as: Unrun) => {
    outbox.push({ job, verdict: { jobId: job.jobId, attempt: job.attempt, ...as }, durationMs: 0 });
    schedule();
  };

  const claimIfRoom = () => {
    const room = 2 * concurrency - buffer.length - runner.running - outbox.size;
    if (!mayHaveJobs || claiming || claims.signal.aborted || room * 2 < concurrency) return;
    void claim(Math.min(room, maxClaim));
  };

  const claim = async (max: number): Promise<void> => {
    claiming = true;
    mayHaveJobs = false;
    const jobs = await callUntilAnswered({
      call: "claim",
      run: () => source.claim(session, max, claims.signal),
      observe,
      signal: claims.signal,
    });
    claiming = false;
    if (jobs === undefined || jobs.length === 0) return schedule();
    // Not only after a full claim: a source may give fewer than it has.
    mayHaveJobs = true;
    if (claims.signal.aborted) release(jobs);
    else buffer.push(...jobs);
    schedule();
  };

  const release = (jobs: readonly Leased[]) => {
    for (const job of jobs) settleUnrun(job, { as: "release" });
  };

  return {
    attempts: runner.attempts,
    wake() {
      mayHaveJobs = true;
      schedule();
    },
    cancel(jobIds) {
      if (jobIds.length === 0) return;
      const wanted = new Set(jobIds);
      runner.cancel(wanted);
      for (const job of buffer.splice(0)) {
        if (wanted.has(job.jobId)) settleUnrun(job, { as: "cancelled" });
        else buffer.push(job);
      }
    },
    drain() {
      observe({ kind: "draining", running: runner.running, released: buffer.length });
      claims.abort(new Error("draining"));
      release(buffer.splice(0));
      schedule();
      return empty.promise;
    },
    interrupt(why) {
      claims.abort(new Error(why));
      const jobs = runner.interrupt(why);
      if (why === "shutdown") release(jobs);
    },
  };
}

type Unrun = { as: "dead"; error: string } | { as: "cancelled" } | { as: "release" };
