import type { StoreError } from "@event-ingestion/store";
import type { Checkpointer } from "../database/checkpointer.ts";
import type { Database } from "../database/driver.ts";
import type { Engine } from "./engine.ts";
import { severity, toStoreError, unavailable } from "../database/errors.ts";
import type { Medium } from "../database/medium.ts";

/** A database that is open, and what works on it. */
export interface Connection {
  db: Database;
  engine: Engine;
  checkpointer: Checkpointer;
}

/**
 * - ready: everything runs. Left as soon as a write or a checkpoint fails, or a row does not pass its check.
 * - stalled: nothing can be written, as on a full disk; reads run. The reserve is given up, so that checkpoints and
 *   `maintain` have space. Left to ready once the reserve is held again and a write went through, tried each second.
 * - reopening: the disk failed, so the connection is closed and everything is refused. Left when the file opens again.
 * - damaged: the file is not what was written. Never left; reads run as far as they can.
 */
export type State =
  | { kind: "ready"; connection: Connection; reason?: undefined }
  | { kind: "stalled"; connection: Connection; reason: StoreError }
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

/** Beyond this the write-ahead log is evidence that checkpoints do not work. */
export const maxLogBytes: number = 256 * 1024 * 1024;

const probeMs = 1000;
const firstReopenMs = 1000;
const maxReopenMs = 30_000;

/** @throws StoreError if it cannot be opened */
export function createAvailability(options: {
  medium: Medium;
  connect: () => Connection;
  changed: (state: State) => void;
}): Availability {
  const { medium, connect, changed } = options;
  let state: State = { kind: "ready", connection: connect() };
  let timer: NodeJS.Timeout | undefined;
  let reopenMs = firstReopenMs;

  const enter = (next: State) => {
    stopTimer();
    state = next;
    if (state.kind === "ready") reopenMs = firstReopenMs;
    changed(state);
  };
  const stopTimer = () => {
    clearTimeout(timer);
    timer = undefined;
  };

  const stall = (connection: Connection, reason: StoreError) => {
    medium.reserve.release();
    if (state.kind !== "stalled") enter({ kind: "stalled", connection, reason });
    timer ??= setTimeout(prove, probeMs);
  };

  const disconnect = () => {
    state.connection?.checkpointer.stop();
    state.connection?.db.close();
  };

  const reopen = (reason: StoreError) => {
    disconnect();
    enter({ kind: "reopening", reason });
    timer = setTimeout(() => reconnect(reason), reopenMs);
    reopenMs = Math.min(2 * reopenMs, maxReopenMs);
  };

  const reconnect = (reason: StoreError) => {
    try {
      state = { kind: "stalled", connection: connect(), reason };
    } catch (error) {
      const failure = toStoreError(error, { file: medium.name });
      if (severity(failure) === "damaged") enter({ kind: "damaged", reason: failure });
      else reopen(failure);
      return;
    }
    prove();
  };

  const fail = (error: unknown) => {
    const { connection } = state;
    if (connection === undefined || state.kind === "damaged") return;
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
    if (connection === undefined) return;
    stopTimer();
    try {
      if (connection.checkpointer.run() > maxLogBytes) throw logTooLarge(medium.name);
      medium.reserve.hold();
      connection.engine.testWrite();
      if (state.kind === "stalled") enter({ kind: "ready", connection });
    } catch (error) {
      fail(error);
    }
  }

  return {
    get state() {
      return state;
    },
    fail,
    prove,
    close() {
      stopTimer();
      disconnect();
    },
  };
}

/** The write-ahead log only grows that far if it cannot be emptied. */
export function logTooLarge(file: string): StoreError {
  return unavailable(`the write-ahead log of ${file} cannot be moved into the file`);
}
