import { existsSync, realpathSync, statSync } from "node:fs";
import { readEnvironment } from "@event-ingestion/app-kit/environment";
import { findUrlProblem, openStore, readStoreUrl } from "@event-ingestion/app-kit/store-url";
import { type JobStore, StoreError, type StoreErrorReason } from "@event-ingestion/store";
import type { Config } from "../config.ts";
import { CopyError, copyStore, jobsInWords } from "./copy-store.ts";
import { exitCodes, Failure, usageFailure } from "../failure.ts";
import type { OptionReader } from "../option-reader.ts";
import { createOutput } from "../output.ts";
import { showProgress } from "../progress.ts";

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
  const env = readEnvironment(process.env, (problem) => reader.wrong(problem));
  const to = given ?? readStoreUrl(env);
  const nameOfTo = given === undefined ? "STORE_URL" : "--to";
  const problems = [
    from === undefined ? "--from URL is missing" : (findUrlProblem("--from", from) ?? findNoStore(from)),
    to === undefined ? "--to URL is missing, and STORE_URL is not set" : findUrlProblem(nameOfTo, to),
    from !== undefined && to !== undefined && isSameFile(from, to) && "a store cannot be copied into itself",
  ];
  for (const problem of problems) if (typeof problem === "string") reader.wrong(problem);
  return { from: from ?? "", to: to ?? "" };
}

/** To open a file that is not there, or empty, would make a store of it. */
function findNoStore(url: string): string | undefined {
  const file = fileOf(url);
  const size = file === undefined ? 1 : (statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  return size === 0 ? `there is no store ${file}` : undefined;
}

function isSameFile(...urls: [string, string]): boolean {
  const [from, to] = urls.map(fileOf);
  if (from === undefined || to === undefined || !existsSync(from) || !existsSync(to)) return false;
  return realpathSync(from) === realpathSync(to);
}

function fileOf(url: string): string | undefined {
  const path = /^sqlite:(.+)$/s.exec(url)?.[1];
  return path === ":memory:" ? undefined : path;
}

/** `event migrate`: copies a store into another one. Answers with the exit code. */
export async function migrate(urls: MigrateOptions, config: Config, signal: AbortSignal): Promise<number> {
  const output = createOutput(config);
  try {
    await using stores = new AsyncDisposableStack();
    const open = async (url: string) => stores.adopt(await openStore(url), (store) => store.close());
    const [from, to] = [await open(urls.from), await open(urls.to)];
    const byState = await copyVisibly({ from, to }, config, signal);
    output.one(byState, `copied and counted: ${jobsInWords(byState)}`);
    return exitCodes.ok;
  } catch (error) {
    if (signal.aborted) output.note("stopped; the same command goes on from there");
    throw explainStores(error);
  }
}

async function copyVisibly(stores: { from: JobStore; to: JobStore }, { quiet }: Config, signal: AbortSignal) {
  let before: number | undefined;
  let copied = 0;
  let missing: number | undefined;
  using progress = showProgress({
    stream: process.stderr,
    quiet,
    verb: "copied",
    position: () => ({ count: copied, at: copied, total: missing }),
  });
  return await copyStore({
    ...stores,
    signal,
    progress(done, total) {
      if (before === undefined && done > 0) {
        progress.say(`going on after ${done.toLocaleString("en-US")} jobs`);
      }
      before ??= done;
      copied = done - before;
      missing = total - before;
    },
  });
}

const { unexpected, usage, unavailable } = exitCodes;

const hints: Record<StoreErrorReason, { exitCode: number; hint: string }> = {
  locked: { exitCode: unavailable, hint: "stop the server of the store, then repeat the command" },
  unavailable: {
    exitCode: unavailable,
    hint: "see to what the message names; the same command goes on where it was",
  },
  overloaded: { exitCode: unavailable, hint: "the same command goes on where it was" },
  invalid: { exitCode: usage, hint: "see event migrate --help" },
  incompatible: { exitCode: usage, hint: "see to what the message names, or name another store" },
  corrupt: { exitCode: unexpected, hint: "bring this store in order first: restore a backup of it" },
};

function explainStores(error: unknown): unknown {
  if (error instanceof CopyError) return usageFailure(error.message, error.hint);
  if (error instanceof StoreError) return new Failure(error.message, hints[error.reason]);
  return error;
}
