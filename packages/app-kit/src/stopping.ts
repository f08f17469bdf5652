import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { exitCodes, type ProcessEnd } from "./process-end.ts";

/** How the process comes to its end. */
export interface Stopping {
  /** The exit code; undefined while there is no reason to end. */
  readonly exitCode: number | undefined;
  /** Resolves with the exit code once there is a reason to end. */
  readonly begun: Promise<number>;
  /** A reason to end. What has not ended within `limitMs` is killed. Later reasons change nothing. */
  begin(exitCode: number, limitMs: number): void;
}

/** Time to log why the process is killed, before the thread kills it. */
const blockedMs = 500;

/** SIGTERM and SIGINT are reasons to end within `limitMs`; a second one does not wait. */
export function stopOnSignals(log: Logger, end: ProcessEnd, limitMs: number): Stopping {
  const { promise: begun, resolve } = Promise.withResolvers<number>();
  let exitCode: number | undefined;
  const begin = (code: number, withinMs: number) => {
    if (exitCode !== undefined) return;
    exitCode = code;
    killAfter(withinMs + blockedMs);
    setTimeout(() => {
      log.error({ limitMs: withinMs }, "the drain took too long, the rest is cut");
      end.kill();
    }, withinMs);
    resolve(code);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (exitCode !== undefined) end.exit(exitCodes.impatient);
      begin(exitCodes.ok, limitMs);
    });
  }
  return {
    begun,
    begin,
    get exitCode() {
      return exitCode;
    },
  };
}

/**
 * Kills the process from a thread of its own, so that a handler that blocks the main thread cannot prevent it. Where no
 * thread can be had, the timer of the main thread has to do.
 */
function killAfter(ms: number): void {
  const code = `setTimeout(() => process.kill(process.pid, "SIGKILL"), ${ms})`;
  // Without the flags and preloads of the main thread.
  const thread = new Worker(code, { eval: true, env: {}, execArgv: [] });
  thread.on("error", () => undefined).unref();
}
