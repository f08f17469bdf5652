import { create } from "@bufbuild/protobuf";
import { type EventRequest, EventRequestSchema } from "@event-ingestion/api";
import type { JobId, Leased, NewEvent, Verdict } from "@event-ingestion/store";
import type { Handler, HandlerContext } from "../handler.ts";
import type { AbandonReason, AttemptId } from "../observe.ts";
import type { WorkerSettings } from "../options.ts";
import { verdictOnReturn, verdictOnThrow } from "../verdict.ts";

/** A verdict on its way to the store, with what is told about it. */
export interface Settlement {
  job: Leased;
  verdict: Verdict;
  /** Time in the handler. */
  durationMs: number;
}

/** Runs handlers, and knows which are running. */
export interface Runner {
  /** Handlers whose outcome counts. */
  readonly running: number;
  /** Which attempts these are. */
  attempts: () => AttemptId[];
  /** Calls the handler at once; `onSettled` is told once, unless the attempt is interrupted before. */
  start(job: Leased, handler: Handler): void;
  /** Aborts the signals of these jobs. What succeeds nevertheless counts as a success, what throws is cancelled. */
  cancel(jobIds: ReadonlySet<JobId>): void;
  /** Ends all attempts now: aborts their signals and drops what comes of them. Returns their jobs. */
  interrupt(why: "lost" | "shutdown"): Leased[];
}

interface Run {
  readonly job: Leased;
  readonly context: Context;
  readonly startedAt: number;
  cancelRequested: boolean;
}

/** A runner without a limit: how many run at once is up to its user. */
export function createRunner(
  settings: Pick<WorkerSettings, "handlerTimeoutMs" | "retryBaseMs" | "retryMaxMs" | "observe">,
  onSettled: (settlement: Settlement) => void,
): Runner {
  const { handlerTimeoutMs, observe } = settings;
  // A set gives its members in the order they came, so the first one is the next to time out.
  const runs = new Set<Run>();
  let timer: NodeJS.Timeout | undefined;

  const execute = async (run: Run, handler: Handler): Promise<void> => {
    let verdict: Verdict;
    try {
      verdict = verdictOnReturn(run.job, await handler.run(toRequest(run.job.event), run.context));
    } catch (thrown) {
      verdict = failure(run, thrown);
    }
    if (forget(run)) settle(run, verdict);
    else observe({ kind: "ended-late", ...attemptId(run.job) });
  };

  const failure = ({ job, cancelRequested }: Run, thrown: unknown): Verdict =>
    cancelRequested
      ? { jobId: job.jobId, attempt: job.attempt, as: "cancelled" }
      : verdictOnThrow(job, thrown, settings);

  const settle = ({ job, startedAt }: Run, verdict: Verdict) =>
    onSettled({ job, verdict, durationMs: performance.now() - startedAt });

  /** False: the run was abandoned before. */
  const forget = (run: Run): boolean => {
    const counted = runs.delete(run);
    if (runs.size === 0) {
      clearTimeout(timer);
      timer = undefined;
    }
    return counted;
  };

  const abandon = (run: Run, why: AbandonReason, reason: DOMException) => {
    forget(run);
    observe({ kind: "abandoned", why, ...attemptId(run.job) });
    run.context[abort](reason);
  };

  /** One timer for all: it waits for the oldest run, and is set again for the then oldest. */
  const expire = () => {
    timer = undefined;
    const now = performance.now();
    for (const run of runs) {
      const leftMs = run.startedAt + handlerTimeoutMs - now;
      if (leftMs > 0) {
        timer = setTimeout(expire, Math.ceil(leftMs));
        return;
      }
      const reason = new DOMException(`handler timed out after ${handlerTimeoutMs} ms`, "TimeoutError");
      abandon(run, "timeout", reason);
      settle(run, failure(run, reason));
    }
  };

  return {
    get running() {
      return runs.size;
    },
    attempts: () => [...runs].map(({ job }) => attemptId(job)),
    start(job, handler) {
      const run: Run = {
        job,
        context: new Context(job),
        startedAt: performance.now(),
        cancelRequested: false,
      };
      runs.add(run);
      timer ??= setTimeout(expire, handlerTimeoutMs);
      void execute(run, handler);
    },
    cancel(jobIds) {
      for (const run of runs) {
        if (run.cancelRequested || !jobIds.has(run.job.jobId)) continue;
        run.cancelRequested = true;
        run.context[abort](new DOMException("the job was cancelled", "AbortError"));
      }
    },
    interrupt(why) {
      const reason = new DOMException(interruptions[why], "AbortError");
      return [...runs].map((run) => {
        abandon(run, why, reason);
        return run.job;
      });
    },
  };
}

const interruptions = {
  lost: "the worker lost its session: the job may run elsewhere",
  shutdown: "the worker is shutting down",
};

const abort = Symbol("abort");

/** A class because of its getter: in an object literal one costs 0.25 us a job, more than all the rest of this. */
class Context implements HandlerContext {
  readonly jobId: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly acceptedAt: Date;
  readonly tenant: string;
  #controller: AbortController | undefined;
  #reason: DOMException | undefined;

  constructor({ jobId, attempt, acceptedAt, event }: Leased) {
    this.jobId = jobId;
    this.attempt = attempt;
    this.maxAttempts = event.maxAttempts;
    this.acceptedAt = new Date(acceptedAt);
    this.tenant = event.tenant;
  }

  /** Made for those who ask: a controller for every job would cost more than the loop around it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason stays. */
  [abort](reason: DOMException): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
}

// Payloads are the producer's text: a byte order mark in it is part of it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function toRequest({ eventId, payload, timestamp, type }: NewEvent): EventRequest {
  return create(EventRequestSchema, { eventId, payload: decoder.decode(payload), timestamp, type });
}

/** Names an attempt in what is told about it. */
export function attemptId({ jobId, attempt, event }: Leased): AttemptId {
  return { jobId, type: event.type, attempt };
}
