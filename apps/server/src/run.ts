import { ListenError } from "@event-ingestion/server";
import { StoreError } from "@event-ingestion/store";
import { HandlersError } from "@event-ingestion/worker";
import { ConfigError, readConfig, usage } from "./config.ts";
import { createLog, logUnhandled } from "./log.ts";
import { type Service, startService } from "./service.ts";

/** Exit codes beside 0 and 130, which is a second signal during the drain. */
const exit = { cannotStart: 1, badConfiguration: 2, bug: 70 };

/** A drain after an error that nothing handled may take this long: nobody knows what is broken. */
const brokenDrainMs = 5000;

/**
 * Runs the service until SIGTERM or SIGINT, then drains and ends the process. Resolves once it listens. What keeps it
 * from starting goes to stderr in one line, and the process ends.
 */
export async function run(env: NodeJS.ProcessEnv): Promise<Service> {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    const config = readConfig(env, process.stdout.isTTY);
    const log = createLog(config);
    const service = await startService(config, log);
    let stopping = false;
    const stop = (code: number) => {
      if (stopping) process.exit(130);
      stopping = true;
      service.close().then(
        ({ forced }) => process.exit(forced ? exit.cannotStart : code),
        (error: unknown) => {
          log.fatal({ err: error }, "the drain failed");
          process.exit(exit.bug);
        },
      );
    };
    const broken = (error: unknown) => {
      logUnhandled(log, error);
      setTimeout(() => process.exit(exit.bug), brokenDrainMs).unref();
      if (!stopping) stop(exit.bug);
    };
    process.on("SIGTERM", () => stop(0)).on("SIGINT", () => stop(0));
    process.on("uncaughtException", broken).on("unhandledRejection", broken);
    service.failed.catch(broken);
    return service;
  } catch (error) {
    for (const line of explain(error).split("\n")) process.stderr.write(`event-server: ${line}\n`);
    return process.exit(error instanceof ConfigError ? exit.badConfiguration : exit.cannotStart);
  }
}

/** What people get wrong, each with a message that says it in one line. */
const mistakes = [ConfigError, HandlersError, ListenError, StoreError];

/** One line for the mistakes of people, the stack for ours. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return mistakes.some((kind) => error instanceof kind) ? error.message : (error.stack ?? error.message);
}
