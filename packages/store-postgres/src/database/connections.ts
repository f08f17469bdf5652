import { StoreError } from "@event-ingestion/store";
import type { Availability } from "./availability.ts";
import type { Connection } from "./connection.ts";
import { isCrowded, unavailable } from "./errors.ts";
import { createWaitingLine } from "./waiting-line.ts";

/**
 * The connections of a store, made when they are needed. All its pools share them: where the server has no room for as many
 * as are wanted, whoever is first takes turns with the others, whatever pool they are of. A connection that breaks costs
 * the calls on it, and those that are idle, which may have the same fate, are dropped.
 */
export interface Connections {
  /** How many there are, in use or idle. */
  readonly size: number;
  /**
   * One for the caller alone: an idle one, a new one or, without room for a new one, the next that is given back.
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
  /** What `give` holds at most. */
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
  const make = async (): Promise<Connection> => {
    connecting++;
    try {
      const connection = await connect();
      watch(connection);
      return connection;
    } finally {
      connecting--;
    }
  };
  /** While there is no room, only the probes of `availability` look whether there is again. */
  const hasRoom = () => !availability.isCrowded || all.size + connecting === 0;

  const reuse = async (limitMs: number) => idle.pop() ?? waiting.wait(limitMs);

  const take = async (limitMs: number): Promise<Connection> => {
    if (idle.length > 0 || !hasRoom()) return reuse(limitMs);
    const start = performance.now();
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (isCrowded(error) && all.size + connecting > 0) {
        availability.fail("crowded", error);
        return reuse(limitMs - (performance.now() - start));
      }
      availability.fail("closed", error);
      if (all.size === 0) waiting.dismiss(error);
      throw error;
    }
  };

  return {
    get size() {
      return all.size;
    },
    take,
    reuse,
    give,
    async close() {
      closed = true;
      await Promise.all(idle.splice(0).map((connection) => connection.end()));
    },
  };
}
