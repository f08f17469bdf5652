import { StoreError, unavailable } from "@event-ingestion/store";
import type { Availability } from "./availability.ts";
import type { Connection } from "./connection.ts";
import { isCrowded } from "./errors.ts";
import { createWaitingLine } from "./waiting-line.ts";

/**
 * The connections of a store, made when they are needed. All its pools share them: where no more can be made than there are,
 * all calls take turns, whatever pool they are of. A connection that breaks costs
 * the calls on it, and those that are idle, which may have the same fate, are dropped.
 */
export interface Connections {
  /** How many there are, in use or idle. */
  readonly size: number;
  /**
   * One for the caller alone: an idle one, or the next that is made or given back.
   *
   * @throws StoreError
   */
  take: (limitMs: number) => Promise<Connection>;
  /** The same, but never a new one. */
  reuse: (limitMs: number) => Promise<Connection>;
  /** Gives one back, or one more. */
  give: (connection: Connection) => void;
  /** Ends those that are idle, and from now on those that are given. */
  close: () => Promise<void>;
}

/** How connections are made. */
export interface ConnectionsOptions {
  /** How many there are at most. */
  max: number;
  connect: () => Promise<Connection>;
  availability: Availability;
}

/** No connections yet. */
export function createConnections({ max, connect, availability }: ConnectionsOptions): Connections {
  const all = new Set<Connection>();
  const idle: Connection[] = [];
  const waiting = createWaitingLine<Connection>();
  let connecting = 0;
  let closed = false;

  /** Also of a connection that breaks while nobody uses it, so that health tells before the next call does. */
  const watch = (connection: Connection) => {
    all.add(connection);
    void connection.lost.then(() => {
      all.delete(connection);
      if (closed) return;
      if (all.size === 0) waiting.dismiss(unavailable("the last connection broke"));
      for (const suspect of idle.splice(0)) suspect.destroy("another connection broke");
      availability.doubt();
    });
  };
  const give = (connection: Connection) => {
    if (connection.broken) return;
    const isSurplus = closed || (all.size >= max && !all.has(connection));
    if (!isSurplus && !all.has(connection)) watch(connection);
    if (isSurplus) void connection.end();
    else if (!waiting.serve(connection)) idle.push(connection);
  };
  const reuse = async (limitMs: number) => idle.pop() ?? waiting.wait(limitMs);
  /** While no more can be made, only the probes of `availability` look whether they can again. */
  const hasRoom = () => {
    const count = all.size + connecting;
    return count < max && (count === 0 || !availability.isCrowded);
  };
  /** One more, for whoever is first in the line by then. */
  const grow = async () => {
    connecting++;
    const made = await connect().catch((error: unknown) => {
      if (error instanceof StoreError) return error;
      throw error;
    });
    connecting--;
    if (made instanceof StoreError) refused(made);
    else give(made);
  };
  const refused = (reason: StoreError) => {
    // One that is being made has room, if another has none.
    const others = isCrowded(reason) ? all.size + connecting : all.size;
    if (reason.reason === "unavailable" && others > 0) return availability.fail("crowded", reason);
    availability.fail("closed", reason);
    waiting.dismiss(reason);
  };

  return {
    get size() {
      return all.size;
    },
    take(limitMs) {
      if (idle.length === 0 && hasRoom()) void grow();
      return reuse(limitMs).catch((error: unknown) => {
        // Nobody keeps it from having one: there is none.
        if (all.size > 0 || !(error instanceof StoreError) || error.reason !== "overloaded") throw error;
        throw unavailable(`no connection could be made within ${Math.round(limitMs)} ms`);
      });
    },
    reuse,
    give,
    async close() {
      closed = true;
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
    },
  };
}
