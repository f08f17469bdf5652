import { resolve } from "node:path";
import { type EventResponse, Outcome, OutcomeSchema, type StatusResponse } from "@event-ingestion/api";
import type { Config } from "../config.ts";
import { connect, impatient, patient, retryNotes } from "../connection.ts";
import { exitCodes, usageFailure } from "../failure.ts";
import type { FileFormat } from "../import/records/file-records.ts";
import { type ImportOptions, importFile } from "../import/import-file.ts";
import { readText } from "../input.ts";
import type { OptionReader } from "../option-reader.ts";
import { waitForJob } from "./wait-for-job.ts";
import { createOutput, inWords, type Output, plain } from "../output.ts";

/** The options of `event ingest` as they are given. */
export interface IngestFlags {
  type?: string;
  data?: string;
  id?: string;
  wait?: boolean;
  file?: string;
  format?: string;
  array?: boolean;
  delimiter?: string;
  name?: string;
  rejects?: string;
  typeField?: string;
  idField?: string;
  payloadField?: string;
  concurrency?: string;
  rate?: string;
  batch?: string;
  resume?: string;
}

/** Checked: one event, or a file of them. */
export type IngestOptions = ({ kind: "file" } & ImportOptions) | ({ kind: "event" } & EventOptions);

interface EventOptions {
  type: string;
  /** A text, "-" for stdin, or "@" and a path. */
  data: string;
  id: string | undefined;
  wait: boolean;
}

/** Mistakes go to the reader. */
export function readIngestFlags(flags: IngestFlags, reader: OptionReader): IngestOptions {
  const { type = "", data, id, wait = false, file, resume } = flags;
  const given = (names: readonly (keyof IngestFlags)[]) =>
    names.filter((name) => flags[name] !== undefined).map((name) => `--${kebab(name)}`);
  const forOne = given(["data", "id", "wait"]);
  const forMany = given([
    "format",
    "array",
    "delimiter",
    "name",
    "rejects",
    "typeField",
    "idField",
    "payloadField",
    "concurrency",
    "rate",
    "batch",
    "resume",
  ]);
  if (file === undefined) {
    if (data === undefined) reader.wrong("an event needs --data, many events need --file");
    if (forMany.length > 0) reader.wrong(`${forMany.join(", ")} cannot go without --file`);
    return { kind: "event", type, data: data ?? "", id, wait };
  }
  if (forOne.length > 0) reader.wrong(`${forOne.join(", ")} cannot go with --file`);
  if (flags.name === "") reader.wrong("--name must not be empty");
  for (const [name, path] of [
    ["--file", file],
    ["--resume", resume],
  ] as const) {
    if (path === undefined || flags.rejects === undefined || resolve(path) !== resolve(flags.rejects))
      continue;
    reader.wrong(`--rejects must name another file than ${name}`);
  }
  return {
    kind: "file",
    file,
    name: flags.name,
    type,
    format: readFormat(flags, file, reader),
    rejects: flags.rejects,
    fields: {
      ...(flags.typeField !== undefined && { type: flags.typeField }),
      ...(flags.idField !== undefined && { id: flags.idField }),
      ...(flags.payloadField !== undefined && { payload: flags.payloadField }),
    },
    concurrency: reader.integer("--concurrency", flags.concurrency, { min: 1, max: 100, fallback: 4 }),
    batchSize: reader.integer("--batch", flags.batch, { min: 1, max: 1000, fallback: 1000 }),
    eventsPerSecond: reader.rate("--rate", flags.rate),
    resume,
  };
}

const extensions = { csv: /\.csv$/i, tsv: /\.tsv$/i, ndjson: /\.(ndjson|jsonl)$/i };

function readFormat(
  { format, array, delimiter }: IngestFlags,
  file: string,
  reader: OptionReader,
): FileFormat {
  if (array && format !== undefined) reader.wrong("--array cannot go with --format");
  const isTsv = extensions.tsv.test(file);
  const byName = isTsv || extensions.csv.test(file) ? "csv" : "ndjson";
  const kind = array ? "array" : reader.choice("--format", format, ["ndjson", "csv"], byName);
  if (kind === "csv") {
    const given = reader.character("--delimiter", delimiter);
    return { kind, delimiter: given ?? (isTsv ? "\t" : ","), delimiterGiven: given !== undefined };
  }
  if (delimiter !== undefined) reader.wrong("--delimiter cannot go without CSV: say --format csv");
  if (kind === "array") return { kind };
  if (format !== undefined) return { kind, knownBy: "option" };
  return { kind, knownBy: extensions.ndjson.test(file) ? "name" : "nothing" };
}

/** `event ingest`. Answers with the exit code. */
export function ingest(options: IngestOptions, config: Config, signal: AbortSignal): Promise<number> {
  return options.kind === "file" ? importFile(options, config, signal) : ingestEvent(options, config, signal);
}

async function ingestEvent(
  { type, data, id, wait }: EventOptions,
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  if (id === "") throw usageFailure("--id must not be empty", "leave it out, and the command makes one");
  const payload = await readData(data);
  using connection = connect(config, impatient);
  const start = performance.now();
  const { eventId, response } = await connection.client.ingest(
    { type, payload, ...(id !== undefined && { eventId: id }) },
    { signal },
  );
  const output = createOutput(config);
  const result = {
    event_id: eventId,
    job_id: response.jobId,
    outcome: outcomeName(response),
    message: response.message,
  };
  if (!response.accepted) {
    output.one(result, `${eventId} rejected: ${plain(response.message)}`);
    return exitCodes.rejected;
  }
  if (!wait) {
    const word = response.outcome === Outcome.DUPLICATE ? "accepted before" : "accepted";
    output.one(result, `${response.jobId} ${word}`);
    return exitCodes.ok;
  }
  const job = await waitFor(response.jobId, { config, output, signal });
  const took = performance.now() - start;
  output.one(
    { ...result, status: job.status, result: job.result, last_error: job.lastError, ms: Math.round(took) },
    `${response.jobId} ${job.status} in ${inWords(took)}${detail(job)}`,
  );
  return job.status === "done" ? exitCodes.ok : exitCodes.unexpected;
}

/** However it ends, the id of the job is told: the event is stored. */
async function waitFor(
  jobId: string,
  { config, output, signal }: { config: Config; output: Output; signal: AbortSignal },
): Promise<StatusResponse> {
  const say = (text: string) => output.note(text);
  using connection = connect(config, patient, { observe: retryNotes(config.address, say) });
  try {
    const { address, timeoutMs } = config;
    return await waitForJob(jobId, { client: connection.client, address, timeoutMs, signal });
  } catch (error) {
    say(`${jobId} accepted, but not seen to its end; ask again with event status ${jobId}`);
    throw error;
  }
}

function detail({ status, result, lastError }: StatusResponse): string {
  const text = status === "done" ? result : lastError;
  return text === "" ? "" : `: ${plain(text)}`;
}

async function readData(data: string): Promise<string> {
  if (data === "-") return readText("-");
  return data.startsWith("@") ? readText(data.slice(1)) : data;
}

function outcomeName({ outcome }: EventResponse): string {
  return OutcomeSchema.value[outcome]?.name.replace("OUTCOME_", "") ?? String(outcome);
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
