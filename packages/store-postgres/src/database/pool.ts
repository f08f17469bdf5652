import { setTimeout as sleep } from "node:timers/promises";
import { StoreError, unavailable } from "@event-ingestion/store";
import type { Connection, Effect, Query } from "./connection.ts";
import { isConflict, isFull } from "./errors.ts";
import type { Availability, Lane } from "./availability.ts";
import type { Connections } from "./connections.ts";
import { createSemaphore } from "./semaphore.ts";

/** In a deadlock the other transaction goes on, so a few tries are enough. */
const maxTries = 6;

/** What a pool is for. */
export interface PoolOptions {
  lane: Lane;
  /** Calls at once. */
  size: number;
  /** How long a call may take, the wait for a connection included. */
  deadlineMs: number;
  connections: Connections;
  availability: Availability;
}

/** How a transaction is run. */
interface TransactionOptions {
  effect?: Effect;
  /** For what takes long by its nature. */
  deadlineMs?: number;
}

/**
 * A bounded number of calls at once. Each has a connection for itself and is repeated after a deadlock; one that is late
 * has its connection cut.
 */
export interface Pool {
  query: Query;
  /** Commits what `work` did, unless it throws. */
  transaction: <T>(work: (query: Query) => Promise<T>, options?: TransactionOptions) => Promise<T>;
  /** Refuses new calls and finishes the others. */
  close: () => Promise<void>;
}

/** A pool of calls over connections that others may use, too. */
export function createPool({ lane, size, deadlineMs, connections, availability }: PoolOptions): Pool {
  const turns = createSemaphore(size);
  let closed = false;

  const run = async <T>(limitMs: number, work: (connection: Connection) => Promise<T>): Promise<T> => {
    if (closed) throw unavailable("the store is closed");
    availability.check(lane);
    const deadline = performance.now() + limitMs;
    const end = await turns.take(limitMs);
    try {
      availability.check(lane);
      const connection = await connections.take(deadline - performance.now());
      const late = () => connection.destroy(`no answer within ${limitMs} ms`);
      const timer = setTimeout(late, deadline - performance.now());
      try {
        return await work(connection);
      } finally {
        clearTimeout(timer);
        connections.give(connection);
      }
    } finally {
      end();
    }
  };

  const repeat = async <T>(limitMs: number, work: (connection: Connection) => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await run(limitMs, work);
      } catch (error) {
        if (isFull(error) && error instanceof StoreError) availability.fail("stalled", error);
        if (!isConflict(error) || tries === maxTries) throw error;
        await sleep(Math.random() * 2 ** tries);
      }
    }
  };

  return {
    query: (...call) => repeat(deadlineMs, ({ query }) => query(...call)),
    transaction: (work, options = {}) =>
      repeat(options.deadlineMs ?? deadlineMs, ({ transaction }) => transaction(work, options.effect)),
    close() {
      closed = true;
      return turns.over();
    },
  };
}
