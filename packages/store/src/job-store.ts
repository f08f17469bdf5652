/**
 * The storage port: everything the service asks of a store, in the engine's words. An adapter implements it over one
 * engine and decides nothing that the core can decide: retry policy, tenancy and admission stay outside.
 *
 * One result per item, in input order. A promise that resolves: as durable as `caps.durability` says, and seen by the
 * next call through any handle. One that rejects: `StoreError`. Instants are milliseconds since 1970 on the engine's
 * clock, durations are milliseconds; a caller's clock is never compared with them (`runAt` is data).
 *
 * States of a job:
 * - QUEUED: entered by `append`, by a retry, a release, a lost session or `redrive`. Left by `claim` once it is due, or
 *   by `cancel`.
 * - RUNNING: entered by `claim`, which adds one to `attempts`; held by exactly one session. Left by a verdict of
 *   that session, or when the session ends.
 * - SUCCEEDED, DEAD, CANCELLED: terminal. DEAD and CANCELLED are left by `redrive`, all of them by retention.
 */

import type { StoreError } from "./store-error.ts";

/** UUIDv7 in text form, 36 characters in lower case, minted by the store. Time-ordered. Found in upper case, too. */
export type JobId = string;

/** An id as stores give it out, in lower case: a UUID may come back from other systems in upper case (RFC 9562, 4). */
export function canonicalId(id: JobId): JobId {
  return id.toLowerCase();
}

/** Where a job is; see above for what enters and leaves each state. */
export type State = "QUEUED" | "RUNNING" | "SUCCEEDED" | "DEAD" | "CANCELLED";

/** An event on its way into the store. */
export interface NewEvent {
  /** 0 to 128 bytes of UTF-8; "" is the built-in tenant. */
  tenant: string;
  /** The idempotency key within the tenant: 1 to 128 bytes, well formed, without U+0000. */
  eventId: string;
  /** 0 to 128 bytes, well formed, without U+0000; "" is the default type. */
  type: string;
  /** The text of the event as UTF-8, 0 to `caps.maxPayloadBytes`. */
  payload: Uint8Array;
  /** An int64 that is stored and given back, never read. */
  timestamp: bigint;
  /** How many attempts the job gets, 1 to 1000. */
  maxAttempts: number;
  /** Not claimable before this instant. */
  runAt?: number;
  /** W3C traceparent of the producer; no part of the content that decides between DUPLICATE and CONFLICT. */
  trace?: string;
}

/**
 * DUPLICATE: the key is known with the same type and payload. CONFLICT: it is known with other content, and nothing was
 * stored. `jobId` is always the first one accepted.
 */
export interface Appended {
  outcome: "ACCEPTED" | "DUPLICATE" | "CONFLICT";
  jobId: JobId;
}

/** A job without its payload. */
export interface Job {
  jobId: JobId;
  tenant: string;
  eventId: string;
  type: string;
  timestamp: bigint;
  state: State;
  /** Attempts started so far. Never falls, not even by a redrive. */
  attempts: number;
  maxAttempts: number;
  acceptedAt: number;
  /**
   * When a QUEUED job is due. Set if it is scheduled, waits for a retry or was handed back. A delay keeps its length when the
   * engine's clock is set, so this instant then moves along with the clock.
   */
  nextAttemptAt?: number;
  /** Set in the terminal states. */
  finishedAt?: number;
  /** The error of the newest failed attempt. */
  lastError?: string;
  /** What the handler returned, at most 64 KiB of UTF-8. */
  result?: Uint8Array;
  cancelRequested: boolean;
  /** Rises with every visible change; equal revisions have equal content, unless the engine's clock was set: see `nextAttemptAt`. */
  revision: number;
}

/** A job with its payload and its failures. */
export interface JobDetail extends Job {
  payload: Uint8Array;
  /** The failed attempts among the last 20, oldest first. */
  errors: { attempt: number; at: number; error: string }[];
}

/** All data of a job: another store needs them to go on with it. */
export interface StoredJob extends JobDetail {
  /** The attempts it was accepted with, which a redrive grants anew. */
  budget: number;
  /** Workers it has lost since it was accepted or redriven. */
  losses: number;
  /** Of its event. */
  trace?: string;
}

/** `attempt` rises for the life of a job and is never reused: (session, jobId, attempt) is the fencing token. */
export interface Leased {
  jobId: JobId;
  attempt: number;
  /**
   * The number of attempts in the current budget that failed before this one, including lost workers: the delay of a retry grows
   * with it. A release is no failure, and a redrive begins at 0 again.
   */
  failures: number;
  acceptedAt: number;
  event: NewEvent;
}

/**
 * The outcome of an attempt. `retry` makes the job DEAD when its budget is spent, and CANCELLED when somebody asked to cancel it.
 * `release` hands a job back unrun: it uses up an attempt number, but not the budget. Errors are cut to 4,096 bytes, and U+0000 is
 * removed from them; a result is at most 64 KiB.
 */
export type Verdict = { jobId: JobId; attempt: number } & (
  | { as: "succeeded"; result?: Uint8Array }
  | { as: "dead"; error: string }
  | { as: "cancelled" }
  | { as: "retry"; delayMs: number; error: string }
  | { as: "release" }
);

/** The lease of one worker process. When it ends, the jobs claimed in it run elsewhere. */
export interface Session {
  readonly id: string;
  readonly ttlMs: number;
}

/** What a store can do, and how much of it at once. */
export interface Caps {
  /** How far an accepted event is safe. Checked against the engine when the store is opened, never assumed. */
  durability: "replica-fsync" | "fsync" | "memory";
  /** No other process writes: `hints` misses no change, or says "all". */
  exclusive: boolean;
  /** How many appends may usefully be under way at once. */
  writers: number;
  /** Events in one `append`. */
  maxBatch: number;
  /** Bytes of payload in one `append`. */
  maxBatchBytes: number;
  /** Bytes of one payload. */
  maxPayloadBytes: number;
}

/**
 * A reason to call `claim` or `get` sooner, never more than that. "work": some job became due. Ids: the revisions of these
 * jobs rose. "all": any revision may have risen, because there were too many jobs to name or the store does not know what
 * was stored: ask for every job that is watched.
 */
export type Hint = "work" | "all" | readonly JobId[];

/** Which jobs a page shows: those for which every condition holds that is given. */
export interface ListQuery {
  state?: State;
  type?: string;
  tenant?: string;
  /** Accepted at or after this instant. */
  from?: number;
  /** Accepted before this instant. */
  to?: number;
  /** From the page before. */
  cursor?: string;
  /** 1 to 1000. */
  limit: number;
}

/** The whole store in numbers, all tenants together. */
export interface Counts {
  byState: Record<State, number>;
  /** QUEUED jobs that are not due yet. */
  scheduled: number;
  /** The instant from which the oldest due job waits. */
  oldestReadyAt?: number;
  asOf: number;
  /** Open sessions with the number of jobs each holds. */
  workers: { worker: string; held: number; expiresAt: number }[];
}

/** When lost workers make a job dead, and how long finished jobs are kept. */
export interface Policy {
  /** A job whose worker was lost this many times is DEAD, if it was lost alone the last time: less than 3 means 3. */
  workerLostLimit: number;
  /** How long a finished job and its idempotency key are kept, from 0. */
  keepMs: Record<"SUCCEEDED" | "DEAD" | "CANCELLED", number>;
}

/** The port. All calls may be made at once, from any number of callers. */
export interface JobStore {
  readonly caps: Caps;
  /**
   * Whether appends can succeed now, and if not, why. Reads may work while `writable` is false. A reason while it is true means
   * that the store works, but with restrictions.
   */
  readonly health: { readonly writable: boolean; readonly reason?: string };
  /**
   * Resolves with the reason when the store has ended without being closed (its thread died): every call fails from
   * then on, and only opening it anew helps. Never rejects. Absent: the store always recovers by itself.
   */
  readonly ended?: Promise<StoreError>;

  /** Stores key, job and queue entry of every new event, in one commit for all. Refuses the whole batch if one event breaks a rule. */
  append(batch: readonly NewEvent[]): Promise<Appended[]>;
  /** For each stored key the answer that `append` would give, otherwise null. Writes nothing; works when full or read-only. */
  lookup(batch: readonly NewEvent[]): Promise<(Appended | null)[]>;

  /**
   * Opens the lease of one worker. "process" (the default): the worker dies with this process, so an `exclusive` store
   * ends such sessions, as lost, when it is opened again. "remote": the worker may outlive it.
   */
  openSession(worker: string, ttlMs: number, home?: "process" | "remote"): Promise<Session>;
  /** Extends the lease by ttlMs. `lost`: it has ended and its jobs may run elsewhere; stop them and open a new session. */
  heartbeat(session: Session): Promise<{ lost: boolean; cancelRequested: JobId[] }>;
  /**
   * Leases up to `max` of the oldest due jobs, in any order; fewer if they reach `maxClaimBytes`. Never waits; an ended
   * session gets none.
   *
   * A job that was lost `lossesBeforeIsolation` times may be what kills its workers, so from then on it runs alone: it is
   * handed out as the only one, to a session that holds nothing, and its session gets no other while it holds it.
   * While isolated jobs are due, the oldest of them goes first. A session that holds other jobs then gets nothing, so that it becomes
   * empty, until it or another session has taken that job. "work" is hinted when such a wait is over.
   */
  claim(session: Session, max: number): Promise<Leased[]>;
  /** Atomic per item. "lost": the session no longer holds the attempt, and the verdict was dropped. */
  settle(session: Session, verdicts: readonly Verdict[]): Promise<("ok" | "lost")[]>;
  /** Ends the session and releases what it still holds. */
  closeSession(session: Session): Promise<void>;

  /** null: the id is unknown, or its job is no longer kept. */
  get(ids: readonly JobId[]): Promise<(Job | null)[]>;
  getDetail(id: JobId): Promise<JobDetail | null>;
  find(tenant: string, eventIds: readonly string[]): Promise<(JobId | null)[]>;
  /** Newest first. No `cursor` in the answer: that was the last page. */
  list(query: ListQuery): Promise<{ jobs: Job[]; cursor?: string }>;
  counts(): Promise<Counts>;

  /** A RUNNING job is only asked to stop ("requested"); its worker learns it by heartbeat. */
  cancel(ids: readonly JobId[]): Promise<("cancelled" | "requested" | "terminal" | "unknown")[]>;
  /** DEAD and CANCELLED jobs run again under the same id, with history and a new budget. */
  redrive(ids: readonly JobId[]): Promise<("queued" | "notTerminal" | "unknown")[]>;

  /** Ends expired sessions and applies retention; an error in one does not stop the other. Work per call is bounded; many replicas may call at once. */
  maintain(policy: Policy): Promise<{ requeued: number; died: number; pruned: number; more: boolean }>;
  /**
   * For a move to another store: all jobs in the order in which they were accepted, from the first after `after`. At most
   * `limit` (1 to 1000), fewer if they are large; none: those were all. Absent: nothing can be moved out of this store.
   */
  exportJobs?(after: JobId | undefined, limit: number): Promise<StoredJob[]>;
  /**
   * Stores such jobs as they are, under their ids and with their keys, in one commit. One whose id is there already is left
   * alone. Refuses the whole batch if a job is RUNNING, since its session stays behind, or if a key belongs to another
   * job. Absent: nothing can be moved into this store.
   */
  importJobs?(jobs: readonly StoredJob[]): Promise<void>;
  /** Hints from now on until the signal aborts or the store ends. Without `caps.exclusive` only about changes by this process. */
  hints(signal: AbortSignal): AsyncIterable<Hint>;
  /** Finishes what is in flight. */
  close(): Promise<void>;
}

/** The part of a store that a worker needs. */
export interface JobSource extends Pick<
  JobStore,
  "openSession" | "heartbeat" | "settle" | "closeSession" | "hints"
> {
  /** As `claim` of a store. A remote source may wait for work, until the signal aborts. */
  claim(session: Session, max: number, signal?: AbortSignal): Promise<Leased[]>;
}

/**
 * A claim ends when its jobs reach this many bytes, whatever its `max`. With one job more, and the other fields of each job, it
 * still fits into a message of 4 MiB.
 */
export const maxClaimBytes: number = 2.5 * 1024 * 1024;

/** A job that was lost this many times is handed out alone: see `claim`. A redrive clears its losses. */
export const lossesBeforeIsolation = 2;

/**
 * The `failures` of a claimed attempt. A release raises `maxAttempts` with the attempt number, and a redrive sets it to
 * `budget` above the attempts so far, so every used attempt of the budget is a failure.
 *
 * @param budget the attempts that the job was accepted with
 */
export function failuresBefore(
  attempt: number,
  { maxAttempts, budget }: { maxAttempts: number; budget: number },
): number {
  const left = maxAttempts - attempt + 1;
  return Math.max(0, budget - left);
}

/**
 * The revision of a job, computed from its state and attempts. Every path through the states raises it, because only `claim`
 * raises `attempts`, and redriving a CANCELLED job uses up one attempt number.
 */
export function revision(job: Pick<Job, "state" | "attempts" | "cancelRequested">): number {
  return 5 * job.attempts + rank(job);
}

function rank({ state, cancelRequested }: Pick<Job, "state" | "cancelRequested">): number {
  switch (state) {
    case "RUNNING":
      return cancelRequested ? 1 : 0;
    case "SUCCEEDED":
    case "DEAD":
      return 2;
    case "QUEUED":
      return 3;
    case "CANCELLED":
      return 4;
  }
}
