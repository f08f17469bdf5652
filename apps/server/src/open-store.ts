import { ConfigError } from "@event-ingestion/app-kit/environment";
import type { JobStore } from "@event-ingestion/store";
import { openPostgresStore } from "@event-ingestion/store-postgres";
import { openSqliteStore } from "@event-ingestion/store-sqlite";

/** What one process may take of a Postgres that many share. */
export const defaultConnections = 10;

/**
 * Opens the store that the URL names. Of its `connections` to Postgres, at least 2, two fifths are for appends.
 *
 * @throws ConfigError for a URL of no known store; StoreError if the store cannot be opened.
 */
export async function openStore(url: string, connections: number = defaultConnections): Promise<JobStore> {
  if (url.startsWith("sqlite:")) return openSqliteStore(url);
  if (/^postgres(ql)?:/.test(url)) {
    const writers = Math.max(1, Math.round(connections * 0.4));
    return openPostgresStore(url, { writers, connections: connections - writers });
  }
  // The URL may hold a password: only its scheme is shown.
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? "no scheme";
  throw new ConfigError(`STORE_URL must begin with "sqlite:" or "postgres:", got ${scheme}`);
}
