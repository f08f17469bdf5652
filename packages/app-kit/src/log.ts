import { StoreError } from "@event-ingestion/store";
import type { WorkerEvent } from "@event-ingestion/worker";
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { ConfigError, type Environment } from "./environment.ts";
import { createLogOutput, type LogOutput } from "./log-output.ts";
import { writeToStdout } from "./stdout.ts";

export type { Logger };

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** The level and the format of the log. */
export interface LogSettings {
  logLevel: (typeof levels)[number];
  logFormat: "json" | "pretty";
}

/** The variables with their defaults, for --help. */
export const logUsage = `  LOG_LEVEL            ${levels.join(", ")} (info)
  LOG_FORMAT           json or pretty (pretty on a terminal, else json)`;

/** Reads LOG_LEVEL and LOG_FORMAT; what is wrong is told to `env`. */
export function readLogSettings(env: Environment, isTty: boolean): LogSettings {
  return {
    logLevel: env.choice("LOG_LEVEL", "info", levels),
    logFormat: env.choice("LOG_FORMAT", isTty ? "pretty" : "json", ["json", "pretty"]),
  };
}

/** A log, and where its lines go. */
export interface Log {
  log: Logger;
  output: LogOutput;
}

/**
 * JSON lines, or lines for people, on stdout. It never waits: a reader that does not keep up, or a full disk, costs lines,
 * and a line tells how many. Lines of the last moment are not lost: `flush` of the output waits for them.
 */
export function createLog({ logLevel, logFormat }: LogSettings, tryWrite = writeToStdout): Log {
  const options = { base: null };
  // As a function, not as a transport: a transport is a thread started from a file path, which a bundle lacks.
  const format = logFormat === "pretty" ? pretty.prettyFactory({ translateTime: "HH:MM:ss.l" }) : String;
  let loss = "";
  const losses = pino(options, { write: (line) => (loss = format(line)) });
  const lossEntry = (lines: number) => {
    losses.error({ lines }, "log lines were lost, since nobody read them");
    return loss;
  };
  const output = createLogOutput({ tryWrite, lossEntry });
  const log = pino({ ...options, level: logLevel }, { write: (line) => output.write(format(line)) });
  return { log, output };
}

/** What a worker does, as far as an operator wants to read it. Never a result or an error of a handler. */
export function logWorkerEvent(log: Logger, event: WorkerEvent): void {
  switch (event.kind) {
    case "started":
      log.info({ worker: event.worker }, "worker started");
      break;
    case "settled":
      logSettled(log, event);
      break;
    case "abandoned":
      log.warn(
        { jobId: event.jobId, type: event.type, attempt: event.attempt, why: event.why },
        "attempt abandoned",
      );
      break;
    case "session-lost":
      log.warn({ reason: event.reason }, "worker lost its session, its jobs may run again");
      break;
    case "store-error":
      log.warn(
        { call: event.call, err: event.error, retryInMs: event.retryInMs },
        "worker could not reach the store",
      );
      break;
    case "draining":
      log.info({ running: event.running, released: event.released }, "worker draining");
      break;
    case "stopped":
      log.info("worker stopped");
      break;
  }
}

/** Without the handler's error, which may quote the payload: it is in the status of the job. */
function logSettled(log: Logger, event: Extract<WorkerEvent, { kind: "settled" }>): void {
  const { jobId, type, attempt, outcome, durationMs } = event;
  const level = outcome === "dead" ? "warn" : outcome === "retry" ? "info" : "debug";
  log[level]({ jobId, type, attempt, outcome, durationMs }, "attempt ended");
}

/**
 * What nothing handled: its kind, and where it comes from. The text only of our own errors, which never quote a payload: that
 * of any other may, if it comes from a handler. Of an error of the system its code.
 */
export function logUnhandled(log: Logger, error: unknown): void {
  if (!(error instanceof Error)) {
    log.fatal({ error: `a value of type ${typeof error}` }, unhandled);
    return;
  }
  const isOurs = error instanceof StoreError || error instanceof ConfigError;
  const shown = isOurs ? { text: error.message, stack: error.stack } : withoutText(error);
  log.fatal({ error: error.name, ...shown }, unhandled);
}

const unhandled = "stopping after an error that nothing handled";

function withoutText(error: Error) {
  const code = "syscall" in error && "code" in error ? { code: error.code, syscall: error.syscall } : {};
  return { ...code, stack: error.stack?.replace(error.message, "") };
}
