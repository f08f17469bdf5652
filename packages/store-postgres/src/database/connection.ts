import { Socket } from "node:net";
import { StoreError, unavailable } from "@event-ingestion/store";
import { Client, DatabaseError } from "pg";
import { isRollback, isStale, refusedByDriver, toStoreError } from "./errors.ts";
import type { Host } from "./hosts.ts";

/** A statement of SQL. One with a name is prepared once on each connection. */
export interface Statement {
  name?: string;
  text: string;
}

/**
 * What a lost answer says about a statement:
 * - nothing: it only reads, or the transaction around it did not end.
 * - commits: nobody knows whether it was applied.
 * - promises: nobody knows, either, and its answer tells a caller that the commit is safe. So an answer with a warning does not
 *   count: Postgres reports a commit that was cancelled while it waited for a standby as a success with a warning.
 */
export type Effect = "nothing" | "commits" | "promises";

/** @throws StoreError */
export type Query = <Row extends object>(
  statement: Statement,
  values?: readonly unknown[],
  effect?: Effect,
) => Promise<Row[]>;

/** A session of the server, for one call at a time. */
export interface Connection {
  /** For messages: host and database. */
  readonly name: string;
  /** Of no use any more. */
  readonly broken: boolean;
  /** Resolves when it is. */
  readonly lost: Promise<void>;
  query: Query;
  /** Commits what `work` did, unless it throws. */
  transaction: <T>(work: (query: Query) => Promise<T>, effect?: Effect) => Promise<T>;
  /** Cuts the line, in the middle of whatever runs. */
  destroy: (reason: string) => void;
  end: () => Promise<void>;
}

const begin: Statement = { text: "BEGIN ISOLATION LEVEL READ COMMITTED" };
const commit: Statement = { text: "COMMIT" };
const rollback: Statement = { text: "ROLLBACK" };

/** @throws StoreError if nobody answers there within the time, or the user is refused. */
export async function connect(host: Host, timeoutMs: number): Promise<Connection> {
  const { name } = host;
  const socket = new Socket();
  const losing = Promise.withResolvers<void>();
  let lost: string | undefined;
  let warned = false;

  const client = createClient(host, { timeoutMs, socket });
  const lose = (reason: string) => {
    lost ??= reason;
    losing.resolve();
  };
  // What waits for an answer gets these errors too.
  client.on("error", () => lose("the connection broke"));
  client.on("end", () => lose("the connection ended"));
  // By code, since the word for the severity is in the language of the server. What is no warning has none.
  client.on("notice", ({ code }) => (warned ||= code !== "00000"));

  const destroy = (reason: string) => {
    lose(reason);
    socket.destroy();
  };
  /** An error ends the transaction, or it ends the server. Who answers afterwards has rolled back. */
  const hasRolledBack = async (error: unknown): Promise<boolean> => {
    if (lost !== undefined || !(error instanceof DatabaseError) || !isRollback(error)) return false;
    return client.query(rollback).then(
      () => true,
      () => false,
    );
  };

  const query: Query = async <Row extends object>(
    statement: Statement,
    values?: readonly unknown[],
    effect: Effect = "nothing",
  ) => {
    warned = false;
    let rows: Row[];
    try {
      ({ rows } = await client.query<Row>({ ...statement, ...(values && { values: [...values] }) }));
    } catch (error) {
      const rolledBack = await hasRolledBack(error);
      const why =
        error instanceof DatabaseError || lost === undefined ? error : new Error(lost, { cause: error });
      if (!rolledBack || isStale(error)) destroy("the server failed");
      const outcome = rolledBack || effect === "nothing" ? "notApplied" : "unknown";
      throw toStoreError(why, { outcome, where: name });
    }
    if (!warned || effect !== "promises") return rows;
    destroy("a commit was cancelled");
    throw new StoreError("unknown", "unavailable", `${name} committed without waiting for its standby`);
  };

  const transaction: Connection["transaction"] = async (work, effect = "commits") => {
    await query(begin);
    try {
      const result = await work(query);
      await query(commit, undefined, effect);
      return result;
    } catch (error) {
      // If it was not the server that ended it. Whatever comes of this, the first error is the one to tell.
      if (lost === undefined) await query(rollback).catch(() => undefined);
      throw error;
    }
  };

  try {
    await client.connect();
  } catch (error) {
    destroy("it was never made");
    if (!(error instanceof DatabaseError) && error instanceof Error && error.message === "timeout expired") {
      throw unavailable(`${name} did not answer within ${timeoutMs} ms`, { cause: error });
    }
    throw toStoreError(error, { outcome: "notApplied", where: name });
  }
  return {
    name,
    get broken() {
      return lost !== undefined;
    },
    lost: losing.promise,
    query,
    transaction,
    destroy,
    end: () => client.end(),
  };
}

/** @throws StoreError if the driver does not take the URL, or a file that it names. */
function createClient(
  { name, url }: Host,
  { timeoutMs, socket }: { timeoutMs: number; socket: Socket },
): Client {
  try {
    return new Client({
      connectionString: url,
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      fallback_application_name: "event-ingestion",
      stream: () => socket,
    });
  } catch (error) {
    throw refusedByDriver(error, name);
  }
}
