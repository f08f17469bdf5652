import type { Verdict } from "@event-ingestion/store";

/** The calls of a job source. */
export type SourceCall = "openSession" | "heartbeat" | "claim" | "settle" | "closeSession" | "hints";

/** Which attempt of which job an event is about. */
export interface AttemptId {
  jobId: string;
  type: string;
  attempt: number;
}

/** Why an attempt ended while its handler still ran. */
export type AbandonReason = "timeout" | "lost" | "shutdown";

/** What a worker tells about itself; logs, metrics and tests all come from here. Never holds a payload or a result. */
export type WorkerEvent =
  /** A session is open: jobs are taken. Told again after a lost session. `running` gives the attempts whose handlers run. */
  | { kind: "started"; worker: string; running: () => AttemptId[] }
  /**
   * The verdict on an attempt is stored. "retry" is told as "dead" when the budget is spent. `durationMs` is the time in
   * the handler, 0 if it never ran.
   */
  | ({
      kind: "settled";
      outcome: Exclude<Verdict["as"], "release"> | "released";
      durationMs: number;
      error?: string;
    } & AttemptId)
  /**
   * The verdict was refused: the store had given the attempt up, an earlier try of the same call was applied, or it takes
   * no such verdict.
   */
  | ({ kind: "verdict-lost" } & AttemptId)
  /** The attempt is over for the worker, but its handler still runs. Its outcome will be dropped. */
  | ({ kind: "abandoned"; why: AbandonReason } & AttemptId)
  /** An abandoned handler came to its end after all. Abandoned less ended late: handlers that leaked. */
  | ({ kind: "ended-late" } & AttemptId)
  /** The session ended without us: everything it held may run elsewhere. A new one is opened. */
  | { kind: "session-lost"; reason: string }
  /** A call failed; it is tried again after `retryInMs`, if that is given. */
  | { kind: "store-error"; call: SourceCall; error: unknown; retryInMs?: number }
  /** Shutdown: nothing is claimed any more, `running` handlers may finish, `released` jobs were handed back unrun. */
  | { kind: "draining"; running: number; released: number }
  | { kind: "stopped" };

/** Told what happens, synchronously; must not throw. */
export type Observe = (event: WorkerEvent) => void;
