import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { findPostgres, type Installation, packagedMajor, reachableTemp, runAs } from "./installation.ts";

/** A Postgres of one's own on a random port of the loopback, with an empty data folder that goes with it. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** The URL of that database, for the superuser; nobody asks for a password. */
  url: (database?: string) => string;
  /** The URL of a new database: empty, or a copy of another one that nobody is connected to. */
  createDatabase: (template?: string) => Promise<string>;
  /** The last 64 KiB of what the server wrote to its log. */
  log: () => string;
  /** SIGKILL for the server and all its processes at once, as in a crash. */
  kill: () => Promise<void>;
  /** SIGSTOP, and SIGCONT, for the same. */
  freeze: () => void;
  thaw: () => void;
  /** Ends it as an operator would, disconnecting everybody. */
  stop: () => Promise<void>;
  /** Starts it again after `kill` or `stop`, on the same data and port. */
  start: () => Promise<void>;
}

/** What `startPostgres` takes. */
export interface PostgresServerOptions {
  /** Default: the version that comes with `pnpm install`. */
  major?: number;
  /** Settings of postgresql.conf. fsync stays on unless they say otherwise. */
  settings?: Record<string, string>;
  /** Lines of pg_hba.conf that come before the one that trusts everybody. */
  access?: readonly string[];
  /** Files of the data folder that only the server may read, by their names. */
  files?: Readonly<Record<string, string>>;
}

/** @throws Error if this machine does not have that version. `findPostgres` tells. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const { major = packagedMajor, settings = {}, access = [], files = {} } = options;
  const installation = await findPostgres(major);
  if (installation === undefined) throw new Error(`Postgres ${major} is not installed`);
  const folder = createDataFolder(installation);
  const rules = `${folder}/data/pg_hba.conf`;
  writeFileSync(rules, `${access.join("\n")}\n${readFileSync(rules, "utf8")}`);
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(`${folder}/data/${name}`, text, { mode: 0o600 });
    if (runAs !== undefined) chownSync(`${folder}/data/${name}`, runAs.uid, runAs.gid);
  }
  return runPostgres({ installation, folder, settings });
}

/** A folder with a new data folder "data" in it, which was never started. */
export function createDataFolder({ initdb }: Installation): string {
  const folder = mkdtempSync(join(reachableTemp(), "postgres-"));
  if (runAs !== undefined) chownSync(folder, runAs.uid, runAs.gid);
  const options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"];
  execFileSync(initdb, [...options, `--pgdata=${folder}/data`], { ...runAs, cwd: folder, stdio: "pipe" });
  return folder;
}

/** Starts a server over the folder and owns both from then on. */
export async function runPostgres(options: {
  installation: Installation;
  folder: string;
  settings: Record<string, string>;
}): Promise<PostgresServer> {
  const { installation, folder, settings } = options;
  const port = await freePort();
  let child: ChildProcess | undefined;
  let log = "";
  let databases = 0;

  const url = (database = "postgres") => `postgres://postgres@127.0.0.1:${port}/${database}`;

  const start = async () => {
    for (let tries = 1; ; tries++) {
      try {
        return await startOnce();
      } catch (error) {
        // Processes that were killed have not quite ended.
        if (tries === 50 || !log.includes("pre-existing shared memory block")) throw error;
        log = "";
        await sleep(100);
      }
    }
  };
  const startOnce = async () => {
    const started = spawn(installation.postgres, ["-D", `${folder}/data`], {
      ...runAs,
      cwd: folder,
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "ignore", "pipe"],
    });
    child = started;
    const killNow = () => void started.kill("SIGKILL");
    process.once("exit", killNow);
    started.once("exit", () => process.off("exit", killNow));
    await new Promise<void>((resolve, reject) => {
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        log = (log + text).slice(-65_536);
        if (/ready to accept (read-only )?connections/.test(text)) resolve();
      });
      started.once("error", reject);
      started.once("exit", () => reject(new Error(`Postgres did not start:\n${log}`)));
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    if (signal === "SIGKILL") signalAll(child, "SIGKILL");
    else child.kill(signal);
    await exited;
  };

  const all = { port, listen_addresses: "127.0.0.1", unix_socket_directories: "", ...settings };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(`${folder}/data/postgresql.conf`, lines.join(""));
  await start();
  return {
    port,
    url,
    async createDatabase(template = "template0") {
      const name = `test_${++databases}`;
      await execute(url(), `CREATE DATABASE ${name} TEMPLATE ${template}`);
      return url(name);
    },
    log: () => log,
    kill: () => end("SIGKILL"),
    freeze: () => signalAll(child, "SIGSTOP"),
    thaw: () => signalAll(child, "SIGCONT"),
    stop: () => end("SIGINT"),
    start,
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs SQL as the superuser, on a connection of its own. */
export async function execute(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  // A connection that breaks says so here as well as to the query that waits.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The server first, since it starts new processes; they would outlive it for as long as they are busy. */
function signalAll(server: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (server?.pid === undefined) return;
  const children = childrenOf(server.pid);
  if (signal !== "SIGCONT") server.kill(signal === "SIGKILL" ? "SIGSTOP" : signal);
  for (const pid of new Set([...children, ...childrenOf(server.pid)])) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
  server.kill(signal);
}

function childrenOf(pid: number): number[] {
  const text =
    process.platform === "linux"
      ? readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      : execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return text.split(/\s+/).filter(Boolean).map(Number);
}

/** A port that is free now: not every program takes port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
