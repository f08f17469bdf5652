import type { JobStore } from "@event-ingestion/store";
import { openPostgresStore } from "@event-ingestion/store-postgres";
import { openSqliteStore } from "@event-ingestion/store-sqlite";

/** The store that a URL names. */
export async function openStore(url: string): Promise<JobStore> {
  return url.startsWith("sqlite:") ? openSqliteStore(url) : openPostgresStore(url);
}
