import { randomUUID } from "node:crypto";
import type { MachineTime } from "../time/machine-time.ts";
import { execute } from "./postgres-server.ts";

/** A new, empty database on the server of that URL. */
export async function createDatabase(serverUrl: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "_")}`;
  await execute(serverUrl, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  const url = new URL(serverUrl);
  url.pathname = name;
  return url.href;
}

/** Empties the store in a database, which is faster than a new one. Nobody may have it open. */
export async function emptyStore(url: string): Promise<void> {
  const tables = ["event_key", "job", "outcome", "attempt_error", "queue", "lease", "session", "tally"];
  await execute(url, tables.map((table) => `DELETE FROM ingest.${table}`).join(";"));
}

/**
 * Lets the clock of the store in that database be moved: it is one function, which all its statements ask. Nobody may
 * have the store open.
 */
export async function installClock(url: string): Promise<void> {
  await execute(
    url,
    `CREATE SCHEMA clock; CREATE TABLE clock.moved AS SELECT 0::int8 AS ms;
     CREATE OR REPLACE FUNCTION ingest.clock() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
       AS 'SELECT floor(extract(epoch FROM now()) * 1000)::bigint + (SELECT ms FROM clock.moved)'`,
  );
}

/** Sets the clock that the database of `url` shows to stores, by so many ms, as somebody might who corrects it. */
export async function setClock(url: string, byMs: number): Promise<void> {
  await execute(url, `UPDATE clock.moved SET ms = ms + ${Math.round(byMs)}`);
}

/** The time of a machine on which, beside what really passes, so much time has passed. It never sleeps. */
export function machineOn(passedMs: () => number): MachineTime {
  return { awakeMs: () => performance.now() + passedMs(), asleepMs: () => 0 };
}

/**
 * Lets so much time pass in the database of `url`, with servers that looked at its clock. A store that is open has to be told
 * by its machine time.
 */
export async function elapse(url: string, ms: number): Promise<void> {
  await setClock(url, ms);
  await execute(
    url,
    `UPDATE ingest.meta SET v = jsonb_set(v::jsonb, '{seen}', to_jsonb((v::jsonb ->> 'seen')::int8 + ${Math.round(ms)}))::text
     WHERE k = 'clock'`,
  );
}
