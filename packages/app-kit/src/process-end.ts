import type { AttemptId } from "@event-ingestion/worker";
import type { Log } from "./log.ts";

/** What the process ends with. */
export const exitCodes = { ok: 0, failed: 1, badConfiguration: 2, bug: 70, impatient: 130 } as const;

/** How long the last lines of the log may take to be written. */
const lastLinesMs = 500;
/** Attempts that are named when something else ended the process. */
const maxNamed = 20;

/** The one place that ends the process. */
export interface ProcessEnd {
  exit(code: number): never;
  /** At once: `exit` would wait for a thread that hangs in a system call. */
  kill(): void;
}

/**
 * From now on the log is written to its end when the process ends. An end that did not come from here, such as
 * process.exit() in a handler, is logged with where it came from and which attempts of `running` it cut, and its exit
 * code is never 0.
 */
export function watchProcessEnd({ log, output }: Log, running: () => readonly AttemptId[]): ProcessEnd {
  let isOurs = false;
  process.on("exit", (code) => {
    if (!isOurs) {
      process.exitCode = code === 0 ? exitCodes.bug : code;
      const attempts = running();
      log.fatal(
        { stack: callers(), running: attempts.length, attempts: attempts.slice(0, maxNamed) },
        "something in this process ended it, for example process.exit() in a handler",
      );
    }
    output.flush(lastLinesMs);
  });
  return {
    exit(code) {
      isOurs = true;
      return process.exit(code);
    },
    kill() {
      output.flush(lastLinesMs);
      process.kill(process.pid, "SIGKILL");
    },
  };
}

/** The stack of our caller, without this file and those of Node. */
function callers(): string {
  const places = new Error("where").stack?.split("\n").slice(1) ?? [];
  return places
    .filter((place) => !place.includes(import.meta.url) && !/\(?node:/.test(place))
    .map((place) => place.trim())
    .join("\n");
}
