import { type StoreError, unavailable } from "@event-ingestion/store";
import type { Checkpointer } from "../database/checkpointer.ts";
import type { Database } from "../database/driver.ts";
import type { Engine } from "./engine.ts";
import { severity, toStoreError } from "../database/errors.ts";
import type { Medium } from "../database/medium.ts";
import type { Misplaced } from "../database/place.ts";

/** A database that is open, and what works on it. */
export interface Connection {
  db: Database;
  engine: Engine;
  checkpointer: Checkpointer;
}

/**
 * - ready: everything runs. Left as soon as a write or a checkpoint fails, or a row does not pass its check.
 * - stalled: nothing can be written, as on a full disk or without quota; reads run. The reserve is given up, so that
 *   checkpoints and `maintain` have space. Left to ready once the reserve is held again and a write went through, tried
 *   each second.
 * - misplaced: the path no longer leads to the file that is open. Nothing is written, and nothing beside the path is
 *   touched; reads run on the open file. Left when the file is back in its place, tried each second.
 * - reopening: the disk failed, so the connection is closed and everything is refused. Left when the same store opens
 *   again. A store is never made anew, and no other one is opened.
 * - damaged: the file is not what was written. Never left; reads run as far as they can.
 */
export type State =
  | { kind: "ready"; connection: Connection; reason?: undefined }
  | { kind: "stalled"; connection: Connection; reason: StoreError }
  | { kind: "misplaced"; connection: Connection; reason: StoreError }
  | { kind: "reopening"; connection?: undefined; reason: StoreError }
  | { kind: "damaged"; connection?: Connection | undefined; reason: StoreError };

/** What of the store works now. */
export interface Availability {
  readonly state: State;
  /** Draws the consequences of an error that is not one call's alone. */
  fail(error: unknown): void;
  /** Makes sure that the store can be written, and follows if not. */
  prove(): void;
  close(): void;
}

/** A larger write-ahead log shows that checkpoints do not work. */
export const maxLogBytes: number = 256 * 1024 * 1024;

/** How often the store looks whether its files were moved, and tries again what has failed. */
const watchMs = 1000;
const firstReopenMs = 1000;
const maxReopenMs = 30_000;

/**
 * `connect` opens the store, which holds everything up to `lastSeq`. `begin` is run once, when the store can be written
 * for the first time.
 *
 * @throws StoreError if it cannot be opened
 */
export function createAvailability(options: {
  medium: Medium;
  connect: (lastSeq: number) => Connection;
  begin: (connection: Connection) => void;
  changed: (state: State) => void;
}): Availability {
  const { medium, connect, begin, changed } = options;
  let state: State = { kind: "ready", connection: connect(0) };
  let hasBegun = false;
  let lastSeq = 0;
  let timer: NodeJS.Timeout | undefined;
  let reopenMs = firstReopenMs;

  const enter = (next: State) => {
    stopTimer();
    const isNews = next.kind !== state.kind || next.reason?.message !== state.reason?.message;
    state = next;
    if (state.kind === "ready") reopenMs = firstReopenMs;
    if (isNews) changed(state);
  };
  const stopTimer = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const watch = (act: () => void) => {
    timer ??= setTimeout(act, watchMs);
  };

  const stall = (connection: Connection, reason: StoreError) => {
    if (state.kind !== "misplaced") medium.reserve.release();
    enter({ kind: "stalled", connection, reason });
    watch(prove);
  };

  const misplace = (connection: Connection, { what, reason }: Misplaced) => {
    if (what === "log" && merges(connection)) return reopen(reason);
    enter({ kind: "misplaced", connection, reason });
    watch(prove);
  };

  const disconnect = (how: "clean" | "failed") => {
    const { connection } = state;
    if (connection === undefined) return;
    lastSeq = Math.max(lastSeq, connection.engine.committedSeq);
    connection.checkpointer.stop();
    medium.close(connection.db, how);
  };

  const reopen = (reason: StoreError) => {
    disconnect("failed");
    enter({ kind: "reopening", reason });
    timer = setTimeout(() => reconnect(reason), reopenMs);
    reopenMs = Math.min(2 * reopenMs, maxReopenMs);
  };

  const reconnect = (reason: StoreError) => {
    try {
      state = { kind: "stalled", connection: connect(lastSeq), reason };
    } catch (error) {
      const failure = toStoreError(error, { file: medium.name });
      if (severity(failure) === "damaged") enter({ kind: "damaged", reason: failure });
      else reopen(failure);
      return;
    }
    prove();
  };

  const fail = (raw: unknown) => {
    const { connection } = state;
    if (connection === undefined || state.kind === "damaged") return;
    const error = medium.explain(raw);
    const reason = toStoreError(error, { file: medium.name });
    switch (severity(error)) {
      case "damaged":
        return enter({ kind: "damaged", connection, reason });
      case "suspect":
        return reopen(reason);
      case "stalled":
      case "request":
        return stall(connection, reason);
    }
  };

  function prove() {
    const { connection } = state;
    if (connection === undefined || state.kind === "damaged") return;
    stopTimer();
    const misplaced = medium.findMisplaced();
    if (misplaced !== undefined) return misplace(connection, misplaced);
    try {
      if (connection.checkpointer.run() > maxLogBytes) throw logTooLarge(medium.name);
      medium.reserve.hold();
      if (hasBegun) connection.engine.testWrite();
      else begin(connection);
      hasBegun = true;
      enter({ kind: "ready", connection });
      watch(look);
    } catch (error) {
      fail(error);
    }
  }

  function look() {
    const misplaced = medium.findMisplaced();
    stopTimer();
    if (misplaced !== undefined) prove();
    else watch(look);
  }

  return {
    get state() {
      return state;
    },
    fail,
    prove,
    close() {
      stopTimer();
      disconnect(state.kind === "ready" || state.kind === "stalled" ? "clean" : "failed");
    },
  };
}

/** Whether the whole log was merged into the database file. The log is open, but no longer in its place. */
function merges({ checkpointer }: Connection): boolean {
  try {
    return checkpointer.run() === 0;
  } catch {
    return false;
  }
}

/** The write-ahead log grows this large only if it cannot be emptied. */
export function logTooLarge(file: string): StoreError {
  return unavailable(`the write-ahead log of ${file} cannot be moved into the file`);
}
