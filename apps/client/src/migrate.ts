import { existsSync } from "node:fs";
import { ConfigError, readEnvironment } from "@event-ingestion/app-kit/environment";
import { openStore, readStoreUrl } from "@event-ingestion/app-kit/store-url";
import { type JobStore, StoreError, type StoreErrorReason } from "@event-ingestion/store";
import type { Config } from "./config.ts";
import { CopyError, copyStore, inWords } from "./copy-store.ts";
import { exitCodes, Failure, usageFailure } from "./failure.ts";
import type { OptionReader } from "./option-reader.ts";
import { createOutput } from "./output.ts";
import { showProgress } from "./progress.ts";

/** What `event migrate` is asked to do. */
export interface MigrateOptions {
  /** URL of the store to copy. */
  from: string;
  /** URL of its copy. */
  to: string;
}

/** The options of `event migrate`, as they are given. */
export type MigrateFlags = Partial<MigrateOptions>;

/** Mistakes go to the reader. */
export function readMigrateFlags({ from, to: given }: MigrateFlags, reader: OptionReader): MigrateOptions {
  // To open a file that is not there would make it.
  const file = /^sqlite:(?!:)(.*)$/.exec(from ?? "")?.[1];
  if (from === undefined) reader.wrong("--from URL is missing");
  else if (file !== undefined && !existsSync(file)) reader.wrong(`there is no store ${file}`);
  const env = readEnvironment(process.env, (problem) => reader.wrong(problem));
  const to = given ?? readStoreUrl(env);
  if (to === undefined) reader.wrong("--to URL is missing, and STORE_URL is not set");
  else if (to === from) reader.wrong("a store cannot be copied into itself");
  return { from: from ?? "", to: to ?? "" };
}

/** `event migrate`: copies a store into another one. Answers with the exit code. */
export async function migrate(urls: MigrateOptions, config: Config, signal: AbortSignal): Promise<number> {
  const output = createOutput(config);
  try {
    await using stores = new AsyncDisposableStack();
    const open = async (url: string, name: string) =>
      stores.adopt(await openStore(url, { name }), (store) => store.close());
    const from = await open(urls.from, "--from");
    const to = await open(urls.to, "--to or STORE_URL");
    const byState = await copyVisibly({ from, to }, config, signal);
    output.one(byState, `copied and counted: ${inWords(byState)}`);
    return exitCodes.ok;
  } catch (error) {
    if (signal.aborted) output.note("stopped; the same command goes on from there");
    throw explainStores(error);
  }
}

async function copyVisibly(stores: { from: JobStore; to: JobStore }, { quiet }: Config, signal: AbortSignal) {
  let before = 0;
  let at = 0;
  let total: number | undefined;
  using progress = showProgress({
    stream: process.stderr,
    quiet,
    verb: "copied",
    position: () => ({ count: at - before, at, total }),
  });
  return await copyStore({
    ...stores,
    signal,
    progress(done, of) {
      if (total === undefined && done > 0)
        progress.say(`going on after ${done.toLocaleString("en-US")} jobs`);
      if (total === undefined) before = done;
      at = done;
      total = of;
    },
  });
}

const { unexpected, usage, unavailable } = exitCodes;

const hints: Record<StoreErrorReason, { exitCode: number; hint: string }> = {
  locked: { exitCode: unavailable, hint: "stop the server of the store, then repeat the command" },
  unavailable: { exitCode: unavailable, hint: "the same command goes on where it was" },
  overloaded: { exitCode: unavailable, hint: "the same command goes on where it was" },
  invalid: { exitCode: usage, hint: "see event migrate --help" },
  incompatible: { exitCode: usage, hint: "name a store of this version, or an empty one" },
  corrupt: { exitCode: unexpected, hint: "copy a backup of the store instead" },
};

function explainStores(error: unknown): unknown {
  if (error instanceof ConfigError) return usageFailure(error.message, "see event migrate --help");
  if (error instanceof CopyError) return usageFailure(error.message, "nobody may use either store meanwhile");
  if (error instanceof StoreError) return new Failure(error.message, hints[error.reason]);
  return error;
}
