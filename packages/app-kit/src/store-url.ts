import type { JobStore } from "@event-ingestion/store";
import { openPostgresStore } from "@event-ingestion/store-postgres";
import { findSqliteUrlProblem, openSqliteStore, type SqliteEvent } from "@event-ingestion/store-sqlite";
import { ConfigError, type Environment } from "./environment.ts";

/** The limits of connections for one process: many share one Postgres. */
export const defaultConnections = 10;

/** The URL of the store in the file that STORE_URL_FILE names, which wins, or in STORE_URL. */
export function readStoreUrl(env: Pick<Environment, "text" | "file">): string | undefined {
  return env.file("STORE_URL_FILE") ?? env.text("STORE_URL");
}

/** The error for a store's URL; `name` is where it was given. */
export function findUrlProblem(name: string, url: string): string | undefined {
  const problem = findSqliteUrlProblem(url);
  if (problem !== undefined) return `${name} ${problem}`;
  if (/^(?:sqlite|postgres(?:ql)?):/.test(url)) return undefined;
  // The URL may hold a password: only its scheme is shown, if it is one.
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(url)?.[1] ?? "something else";
  return `${name} must begin with "sqlite:" or "postgres:", got ${scheme}`;
}

/** What an operator should know about a store that was opened. */
export type StoreEvent = SqliteEvent;

/** How a store is opened. */
export interface StoreOptions {
  /** To Postgres, at least 2. Default: 10. */
  connections?: number;
  /** Hears what there is to know about a SQLite file. Must not throw. Default: nobody does. */
  observe?: (event: StoreEvent) => void;
}

/**
 * Opens the store that STORE_URL names. Of the connections to Postgres two fifths are for appends.
 *
 * @throws ConfigError for a URL of no known store; StoreError if the store cannot be opened.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<JobStore> {
  const { connections = defaultConnections, observe = () => {} } = options;
  const problem = findUrlProblem("STORE_URL", url);
  if (problem !== undefined) throw new ConfigError(problem);
  if (url.startsWith("sqlite:")) return openSqliteStore(url, { observe });
  const writers = Math.max(1, Math.round(connections * 0.4));
  return openPostgresStore(url, { writers, connections: connections - writers });
}
