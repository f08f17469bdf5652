import { setTimeout as sleep } from "node:timers/promises";
import { type Child, startChild } from "./child.ts";
import type { Load, LoadResult } from "./load/run-load.ts";
import type { Options } from "./options.ts";
import type { Measurement, Scenario } from "./scenario.ts";
import { listening } from "./server.ts";
import { tempDir } from "./temp-dir.ts";

/** What became of one scenario: a measurement for each round, up to the first that failed. */
export interface Result {
  scenario: Scenario;
  measurements: Measurement[];
  /** Why a round failed. */
  failure?: string;
}

const service = new URL("../apps/server/src/main.ts", import.meta.url);

/** Beside what is measured: starting processes, preparing data, a slow disk. */
const spareMs = 20_000;

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
      if (result.failure !== undefined) continue;
      signal.throwIfAborted();
      progress(`round ${round} of ${options.rounds}: ${result.scenario.name}`);
      try {
        result.measurements.push(await runOnce(result.scenario, options, generator, signal));
      } catch (error) {
        signal.throwIfAborted();
        result.failure = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return results;
}

/** Ends all that the scenario started when it is done, fails, takes too long, or the run is interrupted. */
async function runOnce(
  scenario: Scenario,
  { seconds, warmUpSeconds }: Options,
  generator: Child,
  signal: AbortSignal,
): Promise<Measurement> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(tempDir()).path;
  const startServer = (file: URL, env: Record<string, string> = {}) =>
    listening(started.use(startChild(file, env)));
  const running = scenario.run({
    dir,
    seconds,
    warmUpSeconds,
    load: (load: Load) => generator.ask<LoadResult>("load", load),
    startServer,
    startService: (env) =>
      startServer(service, { PORT: "0", LOG_FORMAT: "json", STORE_URL: `sqlite:${dir}/events.db`, ...env }),
    startChild: (file) => started.use(startChild(file)),
  });
  const settled = new AbortController();
  const limitMs = 4 * (seconds + warmUpSeconds) * 1000 + spareMs;
  const late = sleep(limitMs, undefined, { signal: AbortSignal.any([settled.signal, signal]) });
  const overdue = late.then(() => {
    throw new Error(`took longer than ${limitMs / 1000} s`);
  });
  return await Promise.race([running, overdue]).finally(() => settled.abort());
}
