import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, readEnvironment } from "@event-ingestion/app-kit/environment";
import { StoreError } from "@event-ingestion/store";
import { readStoreUrl } from "./config.ts";
import { inWords, migrate, MigrateError } from "./migrate.ts";
import { openStore } from "./open-store.ts";

const usage = `event-server migrate: copies every job of one store into another, with its id and its history.

  event-server migrate --from URL [--to URL]

  --from URL   the store to copy; its server must be stopped
  --to URL     an empty store, or a copy that was cut short and is gone on with; no server may use it yet
               (default: STORE_URL_FILE or STORE_URL, which keeps a password out of the list of processes)
`;

/** Progress is told this often, in ms. */
const tellEveryMs = 2000;

/** Runs the command and gives its exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted. */
export async function migrateCommand(args: string[], variables: NodeJS.ProcessEnv): Promise<number> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort()).once("SIGTERM", () => interrupt.abort());
  try {
    const { from, to, help } = readArguments(args);
    if (help === true) {
      process.stdout.write(usage);
      return 0;
    }
    if (from === undefined) throw new ConfigError("--from URL is missing; see --help");
    await copy({ from, to: to ?? configuredStore(variables) }, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      say("stopped; the same command goes on from here");
      return 130;
    }
    for (const line of explain(error).split("\n")) say(line);
    return error instanceof ConfigError ? 2 : 1;
  }
}

function readArguments(args: string[]) {
  try {
    const options = { from: { type: "string" }, to: { type: "string" }, help: { type: "boolean" } } as const;
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function configuredStore(variables: NodeJS.ProcessEnv): string {
  const env = readEnvironment(variables);
  const url = readStoreUrl(env);
  env.done();
  return url;
}

async function copy(urls: { from: string; to: string }, signal: AbortSignal): Promise<void> {
  // To open it would make it.
  const file = /^sqlite:(?!:)(.*)$/.exec(urls.from)?.[1];
  if (file !== undefined && !existsSync(file)) throw new ConfigError(`there is no store ${file}`);

  await using stores = new AsyncDisposableStack();
  const open = async (url: string) => stores.adopt(await openStore(url), (store) => store.close());
  const [from, to] = [await open(urls.from), await open(urls.to)];
  let told = performance.now();
  const byState = await migrate({
    from,
    to,
    signal,
    progress(done, total) {
      if (performance.now() - told < tellEveryMs) return;
      told = performance.now();
      say(`${done} of ${total} jobs`);
    },
  });
  process.stdout.write(`copied and counted: ${inWords(byState)}\n`);
}

function say(line: string): void {
  process.stderr.write(`event-server migrate: ${line}\n`);
}

/** One line for the mistakes of people, the stack for ours. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isMistake = [ConfigError, MigrateError, StoreError].some((kind) => error instanceof kind);
  return isMistake ? error.message : (error.stack ?? error.message);
}
