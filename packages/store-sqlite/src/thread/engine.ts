import type { StoreError } from "@event-ingestion/store";
import { createAppend } from "../operations/append.ts";
import { type Changes, createChanges } from "../operations/changes.ts";
import { createClaim } from "../operations/claim.ts";
import type { Clock } from "../time/clock.ts";
import { countJobs, createCounters } from "../tables/counters.ts";
import { createCounts } from "../operations/counts.ts";
import { type Database, query } from "../database/driver.ts";
import { createEndAttempt } from "../operations/ending.ts";
import { severity, toStoreError } from "../database/errors.ts";
import { createExport } from "../operations/export.ts";
import { createImport } from "../operations/import.ts";
import { createInterventions } from "../operations/interventions.ts";
import { createList } from "../operations/list.ts";
import { createIsolatedJobs } from "../operations/isolated-jobs.ts";
import { createMaintain } from "../operations/maintain.ts";
import type { OperationName, Operations } from "../operations/operations.ts";
import type { StoreContext } from "../operations/store-context.ts";
import { createRead } from "../operations/read.ts";
import { createEndAttempts, createSessionOperations } from "../operations/session-operations.ts";
import { type Deadlines, createSessions } from "../operations/sessions.ts";
import { createSteadyTime } from "../time/steady-time.ts";
import { createSettle } from "../operations/settle.ts";
import { createWaitingJobs } from "../tables/waiting-jobs.ts";

/** One call of the port, on its way to the thread. */
export interface Call {
  id: number;
  name: OperationName;
  args: unknown[];
}

/** What became of a call: its value, or why it failed. */
export type Outcome = { id: number; value: unknown } | { id: number; error: StoreError };

/** "failed": nothing of it was committed; or, when it was `committing`, that is not known. */
type Written =
  | { kind: "committed"; outcomes: Outcome[] }
  | { kind: "failed"; error: unknown; committing: boolean };

/** All operations over one connection. */
export interface Engine {
  /** The changes of committed writes, until they are cleared. */
  readonly changes: Changes;
  /** @throws whatever the call does */
  read(call: Call): Outcome;
  /** Runs all calls in one transaction. A call that is wrong by itself fails alone. */
  write(calls: readonly Call[]): Written;
  /** Proves that a commit works. @throws SQLite's error if not */
  testWrite(): void;
  /** How many jobs there are, in all states. */
  countJobs(): number;
  /** The highest `seq` that was committed. */
  readonly committedSeq: number;
  /**
   * Runs once, when the process has opened the store: takes over settings of the clocks in the meantime, and ends the sessions that
   * the last process left behind. The exclusive lock proves that its workers are gone.
   */
  start(): void;
  /** Whether the wall clock was set since it was followed. */
  isClockSet(): boolean;
  /** Takes over a setting of the wall clock. @throws SQLite's error if that cannot be written */
  followClock(): void;
  /** When the next job that must wait is due. */
  nextDueAt(): number | undefined;
}

/** The limit of lost workers for attempts that are ended before the first `maintain` brings a policy. */
const workerLostLimit = 3;

/** Runs the calls of the mailbox, all waiting writes in one transaction. */
export function createEngine(
  db: Database,
  { file, clock, deadlines }: { file: string; clock: Clock; deadlines: Deadlines },
): Engine {
  const counters = createCounters(db);
  const changes = createChanges();
  const sessions = createSessions(db, { clock, deadlines });
  const isolatedJobs = createIsolatedJobs(db, clock);
  const waitingJobs = createWaitingJobs(db);
  const steadyTime = createSteadyTime(db, { clock, counters, waitingJobs });
  const shared = { clock, steadyTime, counters, changes, sessions, isolatedJobs, waitingJobs };
  const area: StoreContext = { db, file, ...shared };
  const endAttempt = createEndAttempt(area);
  const endAttempts = createEndAttempts(area, endAttempt);
  const operations: Operations = {
    ...createAppend(area),
    ...createSessionOperations(area, endAttempts),
    ...createClaim(area),
    ...createSettle(area, endAttempt),
    ...createRead(area),
    ...createList(area),
    ...createCounts(area),
    ...createExport(area),
    ...createImport(area),
    ...createInterventions(area),
    ...createMaintain(area, endAttempts),
  };
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const test = db.prepare("INSERT INTO meta(k, v) VALUES(0, ?) ON CONFLICT(k) DO UPDATE SET v = excluded.v");
  const firstDue = query<{ at: number | null }>(db, "SELECT min(run_at) AS at FROM job WHERE run_at > ?");

  const run = ({ id, name, args }: Call): Outcome => ({
    id,
    value: Reflect.apply(operations[name], undefined, args),
  });

  let committing = false;
  let committedSeq = counters.get("lastSeq");
  const transaction = <T>(work: () => T): T => {
    committing = false;
    const undoWaiting = waitingJobs.snapshot();
    begin.run();
    try {
      const result = work();
      steadyTime.note();
      counters.save();
      committing = true;
      commit.run();
      committedSeq = counters.get("lastSeq");
      return result;
    } catch (error) {
      // After a full disk SQLite has rolled back by itself.
      if (db.isTransaction) rollback.run();
      counters.restore();
      undoWaiting();
      changes.clear();
      throw error;
    }
  };

  /** As `run`, but what it did is undone if it fails by itself. */
  const runApart = (call: Call): Outcome => {
    counters.save();
    const undoWaiting = waitingJobs.snapshot();
    db.exec("SAVEPOINT call");
    try {
      const outcome = run(call);
      db.exec("RELEASE call");
      return outcome;
    } catch (error) {
      if (severity(error) !== "request") throw error;
      db.exec("ROLLBACK TO call; RELEASE call");
      counters.restore();
      undoWaiting();
      return { id: call.id, error: toStoreError(error, { file }) };
    }
  };

  /** Savepoints are for the rare batch in which a call fails: all is undone and run once more, with each call apart. */
  const runAll = (calls: readonly Call[]): Outcome[] => {
    try {
      return transaction(() => calls.map(run));
    } catch (error) {
      if (committing || severity(error) !== "request") throw error;
      return transaction(() => calls.map(runApart));
    }
  };

  return {
    changes,
    countJobs: () => countJobs(counters),
    get committedSeq() {
      return committedSeq;
    },
    read: run,
    write(calls) {
      try {
        return { kind: "committed", outcomes: runAll(calls) };
      } catch (error) {
        return { kind: "failed", error, committing };
      }
    },
    testWrite: () => void transaction(() => test.run(clock.now())),
    isClockSet: () => steadyTime.isClockSet(),
    followClock: () => transaction(() => steadyTime.follow()),
    start() {
      transaction(() => {
        steadyTime.follow(true);
        for (const session of sessions.all()) {
          if (session.remote === 1) continue;
          endAttempts(session.id, { as: "lost", limit: workerLostLimit });
          sessions.remove(session);
        }
      });
    },
    nextDueAt: () => firstDue.get(clock.now())?.at ?? undefined,
  };
}
