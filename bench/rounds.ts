import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Load, LoadResult } from "./load/run-load.ts";
import type { Options } from "./options.ts";
import { type Child, startChild } from "./process/child.ts";
import { listening } from "./process/server.ts";
import { tempDir } from "./process/temp-dir.ts";
import type { Measurement, Scenario } from "./scenario.ts";

/** What became of one scenario: a measurement for each round, up to the first that failed. */
export interface Result {
  scenario: Scenario;
  measurements: Measurement[];
  /** Why a round failed. */
  failure?: string;
}

const builtHere = new URL("../apps/server/dist/main.js", import.meta.url);

const execute = promisify(execFile);

/** For the service: no queue is full, however fast it was filled. */
const defaults = { PORT: "0", LOG_FORMAT: "json", MAX_QUEUED_JOBS: "1000000000" };

/** Beside what is measured: starting processes, preparing data, a slow disk. */
const spareSeconds = 40;
const lastWordsMs = 200;

/**
 * Runs every scenario once a round, every other round backwards, so that a machine that slows down slows all of them.
 * A scenario that failed is left out of later rounds.
 */
export async function runRounds(
  scenarios: readonly Scenario[],
  options: Options,
  { progress, signal }: { progress: (text: string) => void; signal: AbortSignal },
): Promise<Result[]> {
  await using generator = startChild(new URL("load/generator.ts", import.meta.url));
  const results: Result[] = scenarios.map((scenario) => ({ scenario, measurements: [] }));
  for (let round = 1; round <= options.rounds; round++) {
    for (const result of round % 2 === 1 ? results : results.toReversed()) {
      const { name, when = "each round" } = result.scenario;
      if (result.failure !== undefined || (when !== "each round" && round > 1)) continue;
      signal.throwIfAborted();
      progress(`round ${round} of ${options.rounds}: ${name}`);
      try {
        result.measurements.push(await runOnce(result.scenario, options, generator, signal));
      } catch (error) {
        signal.throwIfAborted();
        result.failure = error instanceof Error ? error.message : String(error);
        progress(`${name}: ${result.failure}`);
      }
    }
  }
  return results;
}

/** Ends all that the scenario started when it is done, fails, takes too long, or the run is interrupted. */
async function runOnce(
  scenario: Scenario,
  options: Options,
  generator: Child,
  signal: AbortSignal,
): Promise<Measurement> {
  const { seconds, warmUpSeconds, backlog } = options;
  // What the one before has left to the disk is not part of this one.
  await execute("sync").catch(() => undefined);
  await using started = new AsyncDisposableStack();
  const dir = started.use(tempDir()).path;
  const ends: Promise<never>[] = [];
  const start = (file: URL, env: Record<string, string> = {}) => {
    const child = started.use(startChild(file, env));
    ends.push(child.ended);
    return child;
  };
  const running = scenario.run({
    dir,
    seconds,
    warmUpSeconds,
    backlog,
    load: (load: Load) => generator.ask<LoadResult>("load", load),
    startServer: (file, env) => listening(start(file, env)),
    startService: (env) =>
      listening(
        start(scenario.service ?? builtHere, { ...defaults, STORE_URL: `sqlite:${dir}/events.db`, ...env }),
      ),
    startChild: start,
    own(resource) {
      // It was too late.
      if (started.disposed) void resource[Symbol.asyncDispose]();
      return started.use(resource);
    },
  });
  const settled = new AbortController();
  const { limitSeconds = 4 * (seconds + warmUpSeconds) + spareSeconds } = scenario;
  const late = sleep(limitSeconds * 1000, undefined, { signal: AbortSignal.any([settled.signal, signal]) });
  const overdue = late.then(() => {
    throw new Error(`took longer than ${limitSeconds} s`);
  });
  try {
    return await Promise.race([running, overdue]);
  } catch (error) {
    // A server that has ended says more about it than the calls that it did not answer.
    await Promise.race([...ends, sleep(lastWordsMs)]);
    throw error;
  } finally {
    settled.abort();
  }
}
