import { ConfigError } from "./environment.ts";
import type { AttemptId } from "@event-ingestion/worker";
import { createLog, type Logger, type LogSettings, logUnhandled } from "./log.ts";
import { exitCodes, type ProcessEnd, watchProcessEnd } from "./process-end.ts";
import { type Stopping, stopOnSignals } from "./stopping.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** What runs in the process. */
export interface Program {
  /** Ends it in order. `forced`: something did not end by itself and was cut. */
  close: () => Promise<{ forced: boolean }>;
  /** Resolves with the reason when it cannot go on. */
  ended: Promise<Error>;
  /** The attempts whose handlers run now. */
  running: () => readonly AttemptId[];
}

/** What a program gets to run with. */
export interface ProgramContext {
  log: Logger;
  /** Resolves when it is to end before it has begun. */
  stopped: Promise<unknown>;
  /** Lines of the log that nobody read. */
  droppedLines: () => number;
}

/** What `runProgram` is told of a binary. */
export interface ProgramOptions<C extends LogSettings, P extends Program> {
  /** As users type it. */
  name: string;
  /** The answer to --help. */
  usage: string;
  /** How many arguments `readConfig` reads beside --help. Default: none. */
  maxArguments?: number;
  /** @throws ConfigError */
  readConfig: (isTty: boolean) => C;
  /** What fails half way is closed again. */
  start: (config: C, context: ProgramContext) => Promise<P>;
  /** How much longer than usual a drain may take, in ms. */
  extraDrainMs?: (config: C) => number;
  /** What is logged when it cannot go on. */
  endedMessage: string;
  /** Errors that people cause; each message says in one line what is wrong. */
  mistakes: readonly (abstract new (...args: never) => Error)[];
}

/** The longest drain: by then everything has ended or been cut, unless it hangs. */
const drainLimitMs = 9000;

/** The drain of a program that cannot go on: long enough to answer that, not to wait for work that cannot end. */
const endedLimitMs = 1000;

/**
 * Runs a program until SIGTERM or SIGINT, then drains and ends the process. Resolves once it has started. What keeps it
 * from starting goes to stderr in one line, and the process ends.
 */
export async function runProgram<C extends LogSettings, P extends Program>(
  options: ProgramOptions<C, P>,
): Promise<P> {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    process.stdout.write(options.usage);
    process.exit(exitCodes.ok);
  }
  let stopping: Stopping | undefined;
  let end: ProcessEnd | undefined;
  try {
    refuseArguments(process.argv.slice(2), options.maxArguments);
    const config = options.readConfig(process.stdout.isTTY);
    const { log, output } = createLog(config);
    let program: P | undefined;
    end = watchProcessEnd({ log, output }, () => program?.running() ?? []);
    // First, so that a signal ends a start in order as well.
    stopping = stopOnSignals(log, end, drainLimitMs + (options.extraDrainMs?.(config) ?? 0));
    const context = { log, stopped: stopping.begun, droppedLines: () => output.droppedLines };
    endOnFailure(log, end);
    program = await options.start(config, context);
    endWhenOver(program, { log, stopping, end, message: options.endedMessage });
    void drainOnStop(program, { log, stopping, end });
    return program;
  } catch (error) {
    const exit = (code: number): never => end?.exit(code) ?? process.exit(code);
    if (stopping?.exitCode !== undefined) return exit(stopping.exitCode);
    for (const line of explain(error, options.mistakes).split("\n")) {
      process.stderr.write(`${options.name}: ${line}\n`);
    }
    return exit(error instanceof ConfigError ? exitCodes.badConfiguration : exitCodes.failed);
  }
}

/** What decides about the end of the process. */
interface Lifetime {
  log: Logger;
  stopping: Stopping;
  end: ProcessEnd;
}

/** A program that cannot go on is drained as after a signal, but not for long. */
function endWhenOver(
  program: Program,
  { log, stopping, end, message }: Lifetime & { message: string },
): void {
  void program.ended.then(({ message: reason }) => {
    log.fatal({ reason }, message);
    setTimeout(() => end.exit(exitCodes.failed), endedLimitMs);
    stopping.begin(exitCodes.failed, drainLimitMs);
  });
}

/** @throws ConfigError */
function refuseArguments(args: readonly string[], max = 0): void {
  const tooMany = args[max];
  if (tooMany === undefined) return;
  const kind = max === 0 ? "arguments but --help" : "further arguments";
  throw new ConfigError(
    `there are no ${kind}, got "${withoutSecrets(tooMany)}"; the environment configures it`,
  );
}

/**
 * After an unhandled error nobody knows what is broken, so the process ends without a drain. A drain would hand jobs back free of
 * charge, and a job that causes the error each time it runs would do so for ever; instead it must count as lost.
 */
function endOnFailure(log: Logger, end: ProcessEnd): void {
  const broken = (error: unknown) => {
    logUnhandled(log, error);
    end.exit(exitCodes.bug);
  };
  process.on("uncaughtException", broken).on("unhandledRejection", broken);
}

async function drainOnStop(program: Program, { log, stopping, end }: Lifetime): Promise<void> {
  const exitCode = await stopping.begun;
  try {
    const { forced } = await program.close();
    end.exit(exitCode || (forced ? exitCodes.failed : exitCodes.ok));
  } catch (error) {
    log.fatal({ err: error }, "the drain failed");
    end.exit(exitCodes.bug);
  }
}

/** One line for the mistakes of people, the stack for ours. */
function explain(error: unknown, mistakes: ProgramOptions<never, never>["mistakes"]): string {
  if (!(error instanceof Error)) return String(error);
  const isMistake = error instanceof ConfigError || mistakes.some((kind) => error instanceof kind);
  return isMistake ? error.message : (error.stack ?? error.message);
}
