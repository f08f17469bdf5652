import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import {
  execute,
  type PostgresServer,
  reachableTemp,
  startPostgres,
} from "@event-ingestion/store-postgres/testing";
import { expect } from "vitest";
import { freePort } from "./free-port.ts";

/** The version whose tools the system has: pg_basebackup, pg_dump, psql. */
export const systemMajor = 15;
const programs = `/usr/lib/postgresql/${systemMajor}/bin`;

/** Postgres does not run as root; nobody else needs an account for it. */
const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** A primary and two standbys, "a" and "b". Every commit waits for one of them. */
export interface PostgresCluster extends AsyncDisposable {
  primary: PostgresServer;
  /** The one that has received most comes first. */
  standbysByProgress: () => Promise<[Standby, Standby]>;
  /** The URL of a new database, with all three servers. */
  createDatabase: () => Promise<string>;
}

interface Standby {
  url: string;
  port: number;
}

export async function startCluster(): Promise<PostgresCluster> {
  await using resources = new AsyncDisposableStack();
  const names = "ANY 1 (a, b)";
  const primary = resources.use(
    await startPostgres({ major: systemMajor, settings: { wal_keep_size: "256MB" } }),
  );
  const a = resources.use(await startStandby(primary, "a"));
  const b = resources.use(await startStandby(primary, "b"));
  for (const url of [primary.url(), a.url, b.url]) {
    await execute(url, `ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await execute(url, "SELECT pg_reload_conf()");
  }
  const synchronous = "SELECT count(*)::int AS n FROM pg_stat_replication WHERE sync_state = 'quorum'";
  await expect.poll(() => execute(primary.url(), synchronous), { timeout: 20_000 }).toEqual([{ n: 2 }]);
  const running = resources.move();
  return {
    primary,
    async standbysByProgress() {
      return (await received(a)) < (await received(b)) ? [b, a] : [a, b];
    },
    async createDatabase() {
      const { username, host, pathname } = new URL(await primary.createDatabase());
      const hosts = [host, ...[a, b].map(({ port }) => `127.0.0.1:${port}`)];
      return `postgres://${username}@${hosts.join(",")}${pathname}`;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function received({ url }: Standby): Promise<bigint> {
  const [row] = await execute(url, "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint AS bytes");
  return BigInt(String(row?.bytes));
}

/** A copy of the primary that follows it under that name. */
async function startStandby(primary: PostgresServer, name: string): Promise<Standby & AsyncDisposable> {
  const folder = mkdtempSync(`${reachableTemp()}/postgres-standby-`);
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const source = ["--host=127.0.0.1", `--port=${primary.port}`, "--username=postgres"];
  const how = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", `--pgdata=${folder}/data`];
  execFileSync(`${programs}/pg_basebackup`, [...source, ...how], { ...user, cwd: folder, stdio: "pipe" });

  const port = await freePort();
  const settings = { port, listen_addresses: "127.0.0.1", unix_socket_directories: "", cluster_name: name };
  const args = Object.entries(settings).flatMap(([setting, value]) => ["-c", `${setting}=${value}`]);
  const child = spawn(`${programs}/postgres`, ["-D", `${folder}/data`, ...args], {
    ...user,
    cwd: folder,
    env: { PATH: process.env.PATH },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await untilReady(child);
  return {
    port,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      // At once, without waiting for whoever is connected.
      if (child.exitCode === null && child.kill("SIGQUIT")) await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function untilReady(child: ChildProcess): Promise<void> {
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (log.includes("ready to accept read-only connections")) resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`the standby did not start:\n${log}`)));
  });
}
