import type { JobStore } from "@event-ingestion/store";
import { openPostgresStore } from "@event-ingestion/store-postgres";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { ConfigError, type Environment } from "./environment.ts";

/** What one process may take of a Postgres that many share. */
export const defaultConnections = 10;

/** The URL of the store in the file that STORE_URL_FILE names, which wins, or in STORE_URL. */
export function readStoreUrl(env: Pick<Environment, "text" | "file">): string | undefined {
  return env.file("STORE_URL_FILE") ?? env.text("STORE_URL");
}

/** How a store is opened. */
export interface OpenOptions {
  /** What the user calls the URL. Default: STORE_URL. */
  name?: string;
  /** To Postgres, at least 2; two fifths are for appends. Default: `defaultConnections`. */
  connections?: number;
}

/**
 * Opens the store that the URL names.
 *
 * @throws ConfigError for a URL of no known store; StoreError if the store cannot be opened.
 */
export async function openStore(
  url: string,
  { name = "STORE_URL", connections = defaultConnections }: OpenOptions = {},
): Promise<JobStore> {
  if (url.startsWith("sqlite:")) return openSqliteStore(url);
  if (/^postgres(ql)?:/.test(url)) {
    const writers = Math.max(1, Math.round(connections * 0.4));
    return openPostgresStore(url, { writers, connections: connections - writers });
  }
  // The URL may hold a password: only its scheme is shown.
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? "no scheme";
  throw new ConfigError(`${name} must begin with "sqlite:" or "postgres:", got ${scheme}`);
}
