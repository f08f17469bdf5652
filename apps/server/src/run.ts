import { ListenError } from "@event-ingestion/server";
import { StoreError } from "@event-ingestion/store";
import { HandlersError } from "@event-ingestion/worker";
import type { Logger } from "pino";
import { ConfigError, readConfig, usage } from "./config.ts";
import { createLog, logUnhandled } from "./log.ts";
import { type Service, startService } from "./service.ts";
import { exitCodes, type Stopping, stopOnSignals } from "./stopping.ts";

/** What a drain waits for has ended or been cut by then, unless the store hangs. */
const drainLimitMs = 9000;

/** A drain after an error that nothing handled may take this long: nobody knows what is broken. */
const brokenLimitMs = 5000;

/** A drain without a store: time for the answers that say so. */
const storelessLimitMs = 1000;

/**
 * Runs the service until SIGTERM or SIGINT, then drains and ends the process. Resolves once it listens. What keeps it
 * from starting goes to stderr in one line, and the process ends.
 */
export async function run(env: NodeJS.ProcessEnv): Promise<Service> {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    process.stdout.write(usage);
    process.exit(exitCodes.ok);
  }
  let stopping: Stopping | undefined;
  try {
    const config = readConfig(env, process.stdout.isTTY);
    const log = createLog(config);
    // First, so that a signal ends a start in order as well.
    stopping = stopOnSignals(log, config.lameDuckMs + drainLimitMs);
    const service = await startService(config, log, stopping.begun);
    endOnFailure(service, stopping, log);
    void drainOnStop(service, stopping, log);
    return service;
  } catch (error) {
    if (stopping?.exitCode !== undefined) process.exit(stopping.exitCode);
    for (const line of explain(error).split("\n")) process.stderr.write(`event-server: ${line}\n`);
    return process.exit(error instanceof ConfigError ? exitCodes.badConfiguration : exitCodes.failed);
  }
}

function endOnFailure(service: Service, stopping: Stopping, log: Logger): void {
  const broken = (error: unknown) => {
    logUnhandled(log, error);
    stopping.begin(exitCodes.bug, brokenLimitMs);
  };
  process.on("uncaughtException", broken).on("unhandledRejection", broken);
  void service.ended.then(({ message }) => {
    log.fatal({ reason: message }, "stopping, nothing can be stored any more");
    stopping.begin(exitCodes.failed, storelessLimitMs);
  });
}

async function drainOnStop(service: Service, stopping: Stopping, log: Logger): Promise<void> {
  const exitCode = await stopping.begun;
  try {
    const { forced } = await service.close();
    process.exit(exitCode || (forced ? exitCodes.failed : exitCodes.ok));
  } catch (error) {
    log.fatal({ err: error }, "the drain failed");
    process.exit(exitCodes.bug);
  }
}

/** What people get wrong, each with a message that says it in one line. */
const mistakes = [ConfigError, HandlersError, ListenError, StoreError];

/** One line for the mistakes of people, the stack for ours. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return mistakes.some((kind) => error instanceof kind) ? error.message : (error.stack ?? error.message);
}
