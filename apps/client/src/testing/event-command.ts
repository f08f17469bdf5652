import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer, type EventServer } from "@event-ingestion/server";
import type { JobStore } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { defineHandler, Reject, runWorker } from "@event-ingestion/worker";
import { onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

/** What a command ended with. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that runs. */
export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts `event` as a process of its own. */
export function start(
  args: readonly string[],
  { env = {}, cwd, stdout: file }: { env?: NodeJS.ProcessEnv; cwd?: string; stdout?: number } = {},
): Running {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ["pipe", file ?? "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  // A command that does not read its stdin may be gone before it has it all.
  child.stdin?.on("error", () => undefined);
  const ended = once(child, "close").then(() => ({ code: child.exitCode, stdout, stderr }));
  return { child, ended };
}

/** A server with a store in memory, `event` pointed at it, and a folder for files. */
export interface Setup {
  store: JobStore;
  server: EventServer;
  folder: string;
  address: string;
  begin: (...args: string[]) => Running;
  /** Runs to the end; `input` goes to stdin. */
  event: (args: readonly string[], input?: string | Buffer) => Promise<Ended>;
}

/** A server and the `event` command against it; with `worker`, handlers run too. */
export async function setup({ worker = false }: { worker?: boolean } = {}): Promise<Setup> {
  const store = await openSqliteStore("sqlite::memory:");
  const server = createServer({ store, port: 0, graceMs: 100, hardLimitMs: 1000 });
  const { url } = await server.listen();
  const stop = new AbortController();
  const working = worker ? runWorker({ source: store, handlers, signal: stop.signal }) : undefined;
  const folder = mkdtempSync(join(tmpdir(), "event-"));
  onTestFinished(async () => {
    stop.abort();
    await working;
    await server.close();
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const address = url.replace("http://", "");
  const begin = (...args: string[]) => start(args, { env: { SERVER_ADDRESS: address }, cwd: folder });
  return {
    store,
    server,
    folder,
    address,
    begin,
    event(args, input = "") {
      const { child, ended } = begin(...args);
      child.stdin?.end(input);
      return ended;
    },
  };
}

const handlers = [
  defineHandler("fail", async () => {
    throw new Reject("no good");
  }),
  defineHandler("*", async (event) => `got ${event.payload}`),
];
