import { type JobId, type JobStore, type StoreError, unavailable } from "@event-ingestion/store";
import { type Connection, createAvailability, logTooLarge, maxLogBytes } from "./availability.ts";
import { createCheckpointer } from "../database/checkpointer.ts";
import { createClock } from "../time/clock.ts";
import type { Created, FileEvent } from "../database/connection.ts";
import { createDueTimer } from "./due-timer.ts";
import { type Call, type Outcome, createEngine } from "./engine.ts";
import { type Failure, severity, toFailure, toStoreError } from "../database/errors.ts";
import { fileMedium, memoryMedium } from "../database/medium.ts";
import { isWrite } from "../operations/operations.ts";
import type { Deadlines } from "../operations/sessions.ts";
import { createSilence } from "./silence.ts";

/** What the thread is started with. */
export interface ThreadOptions {
  /** undefined: in memory. */
  file: string | undefined;
  reserveBytes: number;
  clockOffset: SharedArrayBuffer | undefined;
}

/** An outcome as it crosses threads. */
export type Answer = { id: number; value: unknown } | { id: number; failure: Failure };

/** The store is open. */
interface Opened {
  kind: "opened";
  /** An absolute path; ":memory:" in memory. */
  file: string;
  /** There was none, so it was made. */
  isNew: boolean;
  /** How many jobs it holds, in all states. */
  jobs: number;
}

/** What an operator should know about the file. */
export type Observed = Exclude<FileEvent, Created> | Opened;

/** What the thread says. */
export type Told =
  | { kind: "answers"; answers: Answer[] }
  | { kind: "changed"; work: boolean; jobs: JobId[]; all?: boolean }
  | { kind: "health"; health: JobStore["health"] }
  | { kind: "observed"; event: Observed };

/** The store as it lives in its thread. */
export interface ThreadStore {
  /**
   * Answers the heartbeats among the calls, which wait for no disk; then runs the writes in one transaction, then the reads.
   */
  handle(calls: readonly Call[]): void;
  close(): void;
}

/** @throws StoreError if the store cannot be opened */
export function openThreadStore(options: ThreadOptions, tell: (told: Told) => void): ThreadStore {
  const { reserveBytes } = options;
  let isNew = options.file === undefined;
  const observe = (event: FileEvent) => {
    if (event.kind === "created") isNew = true;
    else tell({ kind: "observed", event });
  };
  const medium =
    options.file === undefined ? memoryMedium() : fileMedium(options.file, { reserveBytes, observe });
  const file = medium.name;
  const clock = createClock(options.clockOffset);
  const deadlines: Deadlines = new Map();

  const connect = (lastSeq: number): Connection => {
    const db = medium.open(lastSeq);
    const engine = createEngine(db, { file, clock, deadlines });
    return { db, engine, checkpointer: createCheckpointer(db, (error) => availability.fail(error)) };
  };
  const availability = createAvailability({
    medium,
    connect,
    begin: ({ db, engine, checkpointer }) => {
      medium.sign(db, clock.now());
      engine.start();
      checkpointer.run();
    },
    changed({ kind, reason }) {
      tell({ kind: "health", health: healthOf(reason) });
      if (kind === "ready") resume();
    },
  });
  // No worker could give a sign of life meanwhile.
  const extendDeadlines = (ms: number) => {
    for (const [session, deadline] of deadlines) deadlines.set(session, deadline + ms);
  };
  const silence = createSilence({
    canAnswer: () => availability.state.connection !== undefined,
    heard: extendDeadlines,
  });
  /** All that is done until the next look has one time. */
  const look = () => {
    silence.notice();
    clock.read();
    const { connection, kind } = availability.state;
    if (kind !== "ready" || !connection.engine.isClockSet()) return;
    try {
      connection.engine.followClock();
      // What it waited for may be due now, or is at another instant.
      dueTimer.expect(clock.now());
    } catch (error) {
      availability.fail(error);
    }
  };
  const dueTimer = createDueTimer({
    clock,
    look,
    next: () => availability.state.connection?.engine.nextDueAt(),
    due: () => tell({ kind: "changed", work: true, jobs: [] }),
  });

  /** While there was no connection nobody knew what is due, nor of a commit that failed what it left behind. */
  const resume = () => {
    clock.read();
    tell({ kind: "changed", work: true, jobs: [], all: true });
    dueTimer.expect(availability.state.connection?.engine.nextDueAt() ?? Infinity);
  };

  const refuse = ({ id }: Call): Outcome => {
    const { reason } = availability.state;
    return { id, error: reason?.reason === "corrupt" ? reason : unavailable(reason?.message ?? "") };
  };

  const read = (call: Call): Outcome => {
    const { connection } = availability.state;
    if (connection === undefined) return refuse(call);
    try {
      return connection.engine.read(call);
    } catch (error) {
      if (severity(error) === "damaged") availability.fail(error);
      return { id: call.id, error: toStoreError(error, { file }) };
    }
  };

  const commit = ({ engine }: Connection, calls: readonly Call[]): Outcome[] => {
    const written = engine.write(calls);
    if (written.kind === "committed") return written.outcomes;
    const { committing } = written;
    const error = medium.explain(written.error);
    availability.fail(error);
    return calls.map(({ id }) => ({ id, error: toStoreError(error, { file, committing }) }));
  };

  /** After the answers: what others want to hear, and the log. */
  const followUp = ({ engine: { changes }, checkpointer }: Connection) => {
    const { work, jobs, nextDueAt } = changes;
    if (work || jobs.length > 0) tell({ kind: "changed", work, jobs });
    dueTimer.expect(nextDueAt);
    changes.clear();
    try {
      if (checkpointer.committed() > maxLogBytes) throw logTooLarge(file);
    } catch (error) {
      availability.fail(error);
    }
  };

  const write = (calls: readonly Call[]): Outcome[] => {
    const { connection, kind } = availability.state;
    // Retention runs on a full disk too: it makes space. So do leases, which must end.
    const isAdmitted = ({ name }: Call) =>
      kind === "ready" || (kind === "stalled" && (name === "prune" || name === "endSessions"));
    const admitted = calls.filter(isAdmitted);
    if (connection === undefined || admitted.length === 0) return calls.map(refuse);
    const refused = calls.filter((call) => !isAdmitted(call)).map(refuse);
    return [...commit(connection, admitted), ...refused];
  };

  const tellAnswers = (outcomes: readonly Outcome[]) =>
    tell({ kind: "answers", answers: outcomes.map(toAnswer) });

  start();
  return {
    handle(calls) {
      look();
      const heartbeats = calls.filter(({ name }) => name === "heartbeat");
      if (heartbeats.length > 0) tellAnswers(heartbeats.map(read));
      const writes = calls.filter(({ name }) => isWrite(name));
      if (writes.length > 0) {
        tellAnswers(write(writes));
        if (availability.state.connection !== undefined) followUp(availability.state.connection);
      }
      const reads = calls.filter(({ name }) => !isWrite(name) && name !== "heartbeat");
      if (reads.length > 0) tellAnswers(reads.map(read));
      dueTimer.check();
    },
    close() {
      silence.stop();
      dueTimer.stop();
      availability.close();
    },
  };

  function start() {
    const { connection } = availability.state;
    if (connection === undefined) return;
    dueTimer.expect(connection.engine.nextDueAt() ?? Infinity);
    const jobs = connection.engine.countJobs();
    tell({ kind: "observed", event: { kind: "opened", file, isNew, jobs } });
    availability.prove();
  }
}

function healthOf(reason: StoreError | undefined): JobStore["health"] {
  return reason === undefined ? { writable: true } : { writable: false, reason: reason.message };
}

function toAnswer(outcome: Outcome): Answer {
  return "error" in outcome ? { id: outcome.id, failure: toFailure(outcome.error) } : outcome;
}
