import { type Caps, StoreError, unavailable } from "@event-ingestion/store";
import { passRecoveryBarrier } from "./recovery-barrier.ts";
import { connect, type Connection } from "./connection.ts";
import { isCrowded } from "./errors.ts";
import type { Host } from "./hosts.ts";
import { checkServer, durabilityOf, noStandby, waitsForStandby } from "./server-check.ts";

/** Makes connections to whichever of the hosts is the primary. */
export interface Primary {
  /** The first connection, before there need be any tables. Also says how far its commits reach. */
  first: () => Promise<{ connection: Connection; durability: Caps["durability"] }>;
  /** A connection that has passed the recovery barrier, to a server that keeps what the first one promised. */
  connect: () => Promise<Connection>;
  /** @throws StoreError unless a connection can still be used, as one that `connect` would make. */
  prove: (connection: Connection) => Promise<void>;
}

/** The primary among `hosts`; a host has `timeoutMs` to answer. */
export function createPrimary(hosts: readonly Host[], timeoutMs: number): Primary {
  let durability: Caps["durability"] = "fsync";

  /** The hosts in their order. What the last one says is as good as what the first one says, so all are told. */
  const find = async <T>(use: (connection: Connection) => Promise<T>): Promise<T> => {
    const failures: StoreError[] = [];
    for (const host of hosts) {
      try {
        return await withConnection(host, timeoutMs, use);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        failures.push(error);
      }
    }
    const [only, ...others] = failures;
    if (only === undefined) throw unavailable("the store URL names no host");
    if (others.length === 0) throw only;
    const cause = failures.find(isCrowded) ?? only;
    throw unavailable(failures.map(({ message }) => message).join("; "), { cause });
  };

  const prove = async ({ name, query }: Connection) => {
    const facts = await checkServer(query, name);
    if (durability === "replica-fsync" && !waitsForStandby(facts)) throw noStandby(name);
    await passRecoveryBarrier(query);
  };

  return {
    first: () =>
      find(async (connection) => {
        durability = durabilityOf(await checkServer(connection.query, connection.name));
        return { connection, durability };
      }),
    connect: () =>
      find(async (connection) => {
        await prove(connection);
        return connection;
      }).catch((error: unknown) => {
        throw blameless(error);
      }),
    prove: (connection) => destroyUnless(connection, timeoutMs, () => prove(connection)),
  };
}

/** The time counts for all that is asked of the new connection. */
async function withConnection<T>(
  host: Host,
  timeoutMs: number,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(host, timeoutMs);
  return destroyUnless(connection, timeoutMs, () => use(connection));
}

/** Cuts a connection that fails at `work`, or is late. */
async function destroyUnless<T>(
  connection: Connection,
  timeoutMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => connection.destroy(`no answer within ${timeoutMs} ms`), timeoutMs);
  try {
    return await work();
  } catch (error) {
    connection.destroy("it was not fit for use");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Once a store is open, an error of its connection, such as a changed password, is never the caller's fault. */
function blameless(error: unknown): unknown {
  if (!(error instanceof StoreError) || error.reason !== "invalid") return error;
  return unavailable(error.message, { cause: error });
}
