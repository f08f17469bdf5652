import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findPostgres, reachableTemp, runAs } from "./installation.ts";
import { createDataFolder, execute, type PostgresServer, runPostgres } from "./postgres-server.ts";

/** A primary whose commits wait for its standby. */
export interface ReplicatedPostgres extends AsyncDisposable {
  primary: PostgresServer;
  standby: PostgresServer;
  /** The URL of a new database, with both servers. */
  createDatabase: () => Promise<string>;
  /** The standby becomes the primary, alone. Resolves when it takes writes. */
  promote: () => Promise<void>;
}

/** Without pg_basebackup, which not every installation has: the standby is a copy of the primary from before its first start. */
export async function startReplicatedPostgres(major: number): Promise<ReplicatedPostgres> {
  const installation = await findPostgres(major);
  if (installation === undefined) throw new Error(`Postgres ${major} is not installed`);
  const first = createDataFolder(installation);
  appendFileSync(join(first, "data/pg_hba.conf"), "host replication all 127.0.0.1/32 trust\n");
  const second = copyOf(first);
  const settings = { wal_keep_size: "256MB", wal_sender_timeout: "5s" };
  const primary = await runPostgres({
    installation,
    folder: first,
    settings: { ...settings, synchronous_standby_names: "standby" },
  });
  const source = `host=127.0.0.1 port=${primary.port} user=postgres application_name=standby`;
  const standby = await runPostgres({
    installation,
    folder: second,
    settings: { ...settings, primary_conninfo: source, wal_retrieve_retry_interval: "100ms" },
  });
  await until(
    primary.url(),
    "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync') AS yes",
  );
  return {
    primary,
    standby,
    async createDatabase() {
      const url = new URL(await primary.createDatabase());
      return url.href.replace(url.host, `${url.host},127.0.0.1:${standby.port}`);
    },
    async promote() {
      // Waiting for it inside Postgres 15 hangs now and then.
      await execute(standby.url(), "SELECT pg_promote(false)");
      await until(standby.url(), "SELECT NOT pg_is_in_recovery() AS yes");
    },
    async [Symbol.asyncDispose]() {
      await primary[Symbol.asyncDispose]();
      await standby[Symbol.asyncDispose]();
    },
  };
}

function copyOf(folder: string): string {
  const copy = mkdtempSync(join(reachableTemp(), "postgres-"));
  cpSync(join(folder, "data"), join(copy, "data"), { recursive: true });
  writeFileSync(join(copy, "data/standby.signal"), "");
  if (runAs !== undefined) execFileSync("chown", ["-R", `${runAs.uid}:${runAs.gid}`, copy]);
  return copy;
}

async function until(url: string, question: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const [row] = await execute(url, question);
    if (row?.["yes"] === true) return;
    await sleep(50);
  }
  throw new Error(`never: ${question}`);
}
