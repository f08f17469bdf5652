import type { Logger } from "pino";

/** What the process ends with. */
export const exitCodes = { ok: 0, failed: 1, badConfiguration: 2, bug: 70, impatient: 130 } as const;

/** How the process comes to its end. */
export interface Stopping {
  /** What the process is to end with; undefined while there is no reason to end. */
  readonly exitCode: number | undefined;
  /** Resolves with it. */
  readonly begun: Promise<number>;
  /** A reason to end. What has not ended within `limitMs` is killed. Later reasons change nothing. */
  begin(exitCode: number, limitMs: number): void;
}

/** SIGTERM and SIGINT are reasons to end within `limitMs`; a second one does not wait. */
export function stopOnSignals(log: Logger, limitMs: number): Stopping {
  const { promise: begun, resolve } = Promise.withResolvers<number>();
  let exitCode: number | undefined;
  const begin = (code: number, withinMs: number) => {
    if (exitCode !== undefined) return;
    exitCode = code;
    setTimeout(() => {
      log.error({ limitMs: withinMs }, "the drain took too long, the rest is cut");
      // process.exit would wait for a thread that hangs in a system call.
      process.kill(process.pid, "SIGKILL");
    }, withinMs);
    resolve(code);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (exitCode !== undefined) process.exit(exitCodes.impatient);
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
