import type { Requirement } from "@event-ingestion/needs";
import { inject } from "vitest";

/** The URL of this run's server of that version. undefined: this machine does not have that version. */
export function sharedServer(major: number): string | undefined {
  return inject("postgres")[major];
}

/** What a test says that uses the server of that version: `needs(sharedPostgres(18))`. CI must have all versions. */
export function sharedPostgres(major: number): Requirement {
  const isThere = () => sharedServer(major) !== undefined;
  return { name: `Postgres ${major}`, isThere, isInstalledOnCi: true };
}
