import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The folder of the workspace. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** The bundle that ships. */
export const serverMain: string = `${root}apps/server/dist/main.js`;

/** The bundle of the command line client. */
export const clientMain: string = `${root}apps/client/dist/main.js`;

/** `event-server` in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  child: ChildProcess;
  url: string;
  port: number;
  /** The log so far, one parsed line an entry. */
  log: Record<string, unknown>[];
  /** Everything it wrote to stderr. */
  stderr: () => string;
  /** Resolves with the exit code when it ends, whatever ends it. */
  stopped: Promise<number | null>;
  /** Sends the signal and waits for the end: SIGTERM drains, SIGKILL does not. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

export interface ServerProcessOptions {
  /** Beside PORT=0 and JSON logs. */
  env?: Record<string, string>;
  /** What to start instead of node and the bundle: the words before them, strace for example. */
  wrapper?: readonly string[];
  cwd?: string;
}

/** Starts the server on any free port and waits until it says where it listens. */
export async function startServer({
  env = {},
  wrapper = [],
  cwd,
}: ServerProcessOptions): Promise<ServerProcess> {
  const [command, ...args] = [...wrapper, process.execPath, serverMain];
  const child = spawn(command, args, {
    cwd: cwd ?? root,
    env: { PATH: process.env.PATH, PORT: "0", LOG_FORMAT: "json", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stopped = once(child, "close").then(() => child.exitCode);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const log: Record<string, unknown>[] = [];
  const listening = new Promise<string>((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>;
      log.push(entry);
      if (entry.msg === "listening") resolve(String(entry.url));
    });
  });
  const url = await Promise.race([
    listening,
    stopped.then((code) => {
      throw new Error(`the server ended with code ${code} before it listened:\n${stderr}`);
    }),
  ]);
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return stopped;
  };
  return {
    child,
    url,
    port: Number(new URL(url).port),
    log,
    stderr: () => stderr,
    stopped,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop("SIGKILL")),
  };
}
