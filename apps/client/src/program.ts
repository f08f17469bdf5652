import { Command, CommanderError } from "commander";
import { type Config, type GlobalFlags, readConfig } from "./config.ts";
import { demo } from "./commands/demo.ts";
import { explain } from "./explain.ts";
import { exitCodes } from "./failure.ts";
import { ingest, type IngestFlags, readIngestFlags } from "./commands/ingest.ts";
import { migrate, type MigrateFlags, readMigrateFlags } from "./commands/migrate.ts";
import { createOptionReader, type OptionReader } from "./option-reader.ts";
import { mappingHelp } from "./import/record-event.ts";
import { quoteSafely } from "./quote-safely.ts";
import { status } from "./commands/status.ts";

const help = `
Environment:
  SERVER_ADDRESS         the server, unless --server names another one
  EVENT_TOKEN            credential, sent as a bearer token
  EVENT_TOKEN_FILE       a file that holds the credential; wins over EVENT_TOKEN

Exit codes:
  0  all is well                      4    wrong use, invalid argument, credential refused
  1  unexpected, or a job failed      5    unavailable, or not in time
  2  some events were rejected        130  interrupted
  3  a job was not found`;

const ingestHelp = `
Examples:
  event ingest -t order.created -d '{"id":1}' --wait
  event ingest --file orders.csv --type-field kind --id-field order_id --resume orders.state.json
  event ingest --file orders.csv --delimiter ";" --rejects /tmp/orders.rejected.ndjson
  zcat orders.ndjson.gz | event ingest --file - --name orders.ndjson --rate 500/s
  curl https://example.com/orders.json | event ingest --file - --array

${mappingHelp}

A rejected record is kept with its place, reason and text (of stdin in stdin.rejected.ndjson), and the import goes on.
With --resume an import continues where it was stopped, however it was stopped.
A file that does not look like its format is refused before anything is sent: it must be UTF-8; CSV must name its
columns in the first line; other files must begin with JSON, unless they are named *.ndjson or *.jsonl.`;

const migrateHelp = `
Environment:
  STORE_URL              the URL of the new store, unless --to is given; keeps a password out of the list of processes
  STORE_URL_FILE         a file that holds that URL; wins over STORE_URL

Example:
  STORE_URL=postgres://events@db/events event migrate --from sqlite:./data/events.db

The command copies every job with its id, state, attempts, errors and result, and compares the counts of both stores at
the end. The servers of both stores must be stopped. The old store keeps its jobs; opening it hands back the jobs that
its last server left running. If the copy is interrupted, the same command continues it. A new store that holds
anything but such a copy is refused.`;

/** Checks all options of a command before it does anything, so that all mistakes are told at once. */
type Runner = <T>(
  command: Command,
  read: (reader: OptionReader) => T,
  act: (options: T, config: Config, signal: AbortSignal) => Promise<number>,
) => Promise<void>;

/** Runs a command line. Resolves with the exit code; what went wrong has been said on stderr by then. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  let exitCode: number = exitCodes.ok;
  let address = "the server";
  const runner: Runner = async (command, read, act) => {
    const reader = createOptionReader();
    const config = readConfig(command.optsWithGlobals<GlobalFlags>(), reader);
    const options = read(reader);
    reader.done();
    address = config.address;
    exitCode = await act(options, config, signal);
  };
  try {
    await createProgram(runner).parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (signal.aborted) return exitCodes.interrupted;
    const failure = explain(error, address);
    for (const line of failure.message.split("\n")) process.stderr.write(`event: ${line}\n`);
    process.stderr.write(`  ${failure.hint}\n`);
    return failure.exitCode;
  }
}

function createProgram(runner: Runner): Command {
  const program = new Command("event")
    .description("Sends events and asks for the status of their jobs.")
    .option("-s, --server <address>", "host:port or URL (default: SERVER_ADDRESS, or localhost:50051)")
    .option("--protocol <name>", "grpc, connect or grpc-web (default: grpc)")
    .option("--output <format>", "text, json or jsonl (default: text on a terminal, else jsonl)")
    .option(
      "--timeout <duration>",
      "how long a call may take with its retries (default: 10s; a batch 60s, demo 60s, --wait for ever)",
    )
    .option("--quiet", "print only results and errors")
    .addHelpText("after", help)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => write(quoteSafely(text.replace(/^error: /, "event: "))),
    })
    .showHelpAfterError("  see event --help")
    .exitOverride();

  // Sub-commands take over the settings above when they are made, so they come last.
  addIngest(program, runner);
  addStatus(program, runner);
  addDemo(program, runner);
  addMigrate(program, runner);
  return program;
}

function addIngest(program: Command, runner: Runner): void {
  program
    .command("ingest")
    .description("send one event, or a file of them")
    .option("-t, --type <type>", "selects the handler (default: none)")
    .option("-d, --data <text>", "the event itself; - reads stdin, @path a file")
    .option("--id <id>", "id of the event (default: a new one); one id is stored once")
    .option("--wait", "wait until it is processed; exit code 1 if that fails")
    .option("--file <path>", "send a file of events, NDJSON or CSV; - is stdin")
    .option("--format <name>", "ndjson or csv (default: csv for *.csv and *.tsv, else ndjson)")
    .option("--array", "the file is one JSON array; send each element")
    .option(
      "--delimiter <character>",
      'the character between the fields of CSV, such as ";" or tab (default: , or tab for *.tsv)',
    )
    .option(
      "--name <name>",
      "name of the input, for the ids that are made (default: that of the file; stdin has none)",
    )
    .option(
      "--rejects <path>",
      "file for rejected records (default: beside the input, as orders.csv.rejected.ndjson)",
    )
    .option("--type-field <name>", "field that holds the type of each record")
    .option("--id-field <name>", "field that holds the id of each record")
    .option("--payload-field <name>", "field that holds the payload of each record")
    .option("--resume <path>", "file that remembers how far the import is; continues from there")
    .option("--batch <n>", "events in one call, 1 to 1000 (default: 1000)")
    .option("--concurrency <n>", "calls under way at once, 1 to 100 (default: 4)")
    .option("--rate <rate>", "limit of events, such as 500/s (default: no limit)")
    .addHelpText("after", ingestHelp)
    .action((flags: IngestFlags, command: Command) =>
      runner(command, (reader) => readIngestFlags(flags, reader), ingest),
    );
}

/** Each is a stream of the one connection. */
const maxWatched = 50;

function addStatus(program: Command, runner: Runner): void {
  program
    .command("status")
    .description("show the status of jobs; exit code 3 if one is not found")
    .argument("<id...>", "ids of jobs")
    .option("--watch", `follow them, at most ${maxWatched}, until they have ended: a line for each change`)
    .action((ids: string[], { watch = false }: { watch?: boolean }, command: Command) =>
      runner(
        command,
        (reader) => {
          if (watch && ids.length > maxWatched)
            reader.wrong(`--watch takes at most ${maxWatched} ids, got ${ids.length}`);
          return { ids, watch };
        },
        status,
      ),
    );
}

function addDemo(program: Command, runner: Runner): void {
  program
    .command("demo")
    .description("send events of the example types and wait until they are processed")
    .option("--count <n>", "number of events, 1 to 10000 (default: 20)")
    .action((flags: { count?: string }, command: Command) =>
      runner(
        command,
        (reader) => reader.integer("--count", flags.count, { min: 1, max: 10_000, fallback: 20 }),
        demo,
      ),
    );
}

function addMigrate(program: Command, runner: Runner): void {
  program
    .command("migrate")
    .description("copy a store with the ids of its jobs into another one, as from SQLite to Postgres")
    .option("--from <url>", "the store to copy: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")
    .option("--to <url>", "the new store: empty, or an interrupted copy (default: STORE_URL)")
    .addHelpText("after", migrateHelp)
    .action((flags: MigrateFlags, command: Command) =>
      runner(command, (reader) => readMigrateFlags(flags, reader), migrate),
    );
}
