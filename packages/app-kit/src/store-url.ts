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

/** What is wrong with the URL of a store that is named so. */
export function findUrlProblem(name: string, url: string): string | undefined {
  if (/^(?:sqlite:.|postgres(?:ql)?:)/s.test(url)) return undefined;
  if (url === "sqlite:") return `${name} must name a file, or :memory:, after "sqlite:"`;
  // The URL may hold a password: only its scheme is shown, if it is one.
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(url)?.[1] ?? "something else";
  return `${name} must begin with "sqlite:" or "postgres:", got ${scheme}`;
}

/**
 * Opens the store that STORE_URL names. Of its `connections` to Postgres, at least 2, two fifths are for appends.
 *
 * @throws ConfigError for a URL of no known store; StoreError if the store cannot be opened.
 */
export async function openStore(url: string, connections: number = defaultConnections): Promise<JobStore> {
  const problem = findUrlProblem("STORE_URL", url);
  if (problem !== undefined) throw new ConfigError(problem);
  if (url.startsWith("sqlite:")) return openSqliteStore(url);
  const writers = Math.max(1, Math.round(connections * 0.4));
  return openPostgresStore(url, { writers, connections: connections - writers });
}
