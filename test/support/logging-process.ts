import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

type LogEntry = Record<string, unknown>;

/** A program of ours in a process of its own. */
export interface LoggingProcess extends AsyncDisposable {
  child: ChildProcess;
  /** The log so far, one parsed line an entry. */
  log: LogEntry[];
  /** Everything it wrote to stderr. */
  stderr: () => string;
  /** Resolves with the line that has this message for the n-th time; rejects if the process ends before. */
  logged: (msg: string, times?: number) => Promise<LogEntry>;
  /** Resolves with the exit code when it ends, whatever ends it. */
  stopped: Promise<number | null>;
  /** Sends the signal and waits for the end: SIGTERM drains, SIGKILL does not. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** Starts a program that logs JSON lines when LOG_FORMAT says so. It gets these variables and nothing else. */
export function startLogging(
  [command = "", ...args]: readonly string[],
  { env, cwd }: { env: Record<string, string>; cwd: string },
): LoggingProcess {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, LOG_FORMAT: "json", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stopped = once(child, "close").then(() => child.exitCode);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const log: LogEntry[] = [];
  const watchers = new Set<() => void>();
  createInterface(child.stdout).on("line", (line) => {
    log.push(JSON.parse(line) as LogEntry);
    for (const watch of watchers) watch();
  });
  const logged = async (msg: string, times = 1): Promise<LogEntry> => {
    const { promise, resolve } = Promise.withResolvers<LogEntry>();
    const watch = () => {
      const entry = log.filter((line) => line.msg === msg)[times - 1];
      if (entry !== undefined) resolve(entry);
    };
    watchers.add(watch);
    watch();
    const ended = stopped.then((code) => {
      throw new Error(`the process ended with code ${code} before it logged "${msg}":\n${stderr}`);
    });
    return Promise.race([promise, ended]).finally(() => watchers.delete(watch));
  };
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return stopped;
  };
  return {
    child,
    log,
    stderr: () => stderr,
    logged,
    stopped,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop("SIGKILL")),
  };
}
