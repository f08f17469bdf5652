import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "@event-ingestion/store";
import type { Connection, Effect, Query } from "./connection.ts";
import { isConflict, isFull, unavailable } from "./errors.ts";
import type { Availability, Lane } from "./availability.ts";
import { createSemaphore } from "./semaphore.ts";

/** A deadlock is somebody's progress, so a few tries are enough. */
const maxTries = 6;

/** How connections are shared. */
export interface PoolOptions {
  lane: Lane;
  /** Connections at most. */
  size: number;
  /** How long a call may take, the wait for a connection included. */
  deadlineMs: number;
  connect: () => Promise<Connection>;
  availability: Availability;
}

/** How a transaction is run. */
interface TransactionOptions {
  effect?: Effect;
  /** For what takes long by its nature. */
  deadlineMs?: number;
}

/**
 * A bounded number of connections, made when they are needed. A call has one for itself and is repeated after a deadlock.
 * One that is late has its connection cut. A connection that breaks costs the calls on it, and those that are idle, which
 * may have the same fate, are dropped.
 */
export interface Pool {
  query: Query;
  /** Commits what `work` did, unless it throws. */
  transaction: <T>(work: (query: Query) => Promise<T>, options?: TransactionOptions) => Promise<T>;
  /** Refuses new calls and finishes the others. */
  close: () => Promise<void>;
}

/** A pool without connections; they are made when they are needed. */
export function createPool({ lane, size, deadlineMs, connect, availability }: PoolOptions): Pool {
  const idle: Connection[] = [];
  const turns = createSemaphore(size);
  let closed = false;

  const run = async <T>(limitMs: number, work: (connection: Connection) => Promise<T>): Promise<T> => {
    if (closed) throw unavailable("the store is closed");
    availability.check(lane);
    const deadline = performance.now() + limitMs;
    const end = await turns.take(limitMs);
    try {
      availability.check(lane);
      const connection = idle.pop() ?? watched(await connect());
      const late = () => connection.destroy(`no answer within ${limitMs} ms`);
      const timer = setTimeout(late, deadline - performance.now());
      try {
        return await work(connection);
      } finally {
        clearTimeout(timer);
        if (!connection.broken) idle.push(connection);
      }
    } finally {
      end();
    }
  };

  /** Also of a connection that breaks while nobody uses it, so that health tells before the next call does. */
  const watched = (connection: Connection): Connection => {
    void connection.lost.then(() => {
      if (closed) return;
      for (const suspect of idle.splice(0)) suspect.destroy("another connection broke");
      availability.doubt();
    });
    return connection;
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
    async close() {
      closed = true;
      await turns.over();
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
    },
  };
}
