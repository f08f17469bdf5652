import { createHistogram } from "node:perf_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Config } from "../config.ts";
import { connect, impatient, patient, retryNotes } from "../connection.ts";
import { exitCodes } from "../failure.ts";
import { openInput } from "../input.ts";
import { createOutput, inWords } from "../output.ts";
import { showProgress } from "../progress.ts";
import type { Unit } from "./records/file-record.ts";
import { type FileFormat, unitOf } from "./records/file-records.ts";
import { afterFirst } from "./first-record.ts";
import { isMadeName, makeName } from "./input-name.ts";
import { openRejects, type Rejects } from "./rejects.ts";
import { beginState, readResumeState, type ResumeState, writeResumeState } from "./resume-state.ts";
import { type SendOptions, readRecords, sendRecords } from "./send-records.ts";

/** What `event ingest --file` is asked to do. */
export interface ImportOptions extends SendOptions {
  /** Path, or "-" for stdin. */
  file: string;
  /** What the input is called in the ids that are made; undefined: as the file, if it is one. */
  name: string | undefined;
  format: FileFormat;
  /** Path of the file for what is not accepted; undefined: beside the input. */
  rejects: string | undefined;
}

/** Sends a file of events. Answers with the exit code; before it fails it says and saves how far it came. */
export async function importFile(
  options: ImportOptions,
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  await using input = await openInput(options.file);
  const saved = readState(options, input.name);
  const state = { ...(saved ?? beginState(options.name ?? input.name ?? makeName())) };
  const unit = unitOf(options.format);
  await reach(config, signal);

  // Before anything is sent: an input that would be misread, and files that cannot be kept, are found out now.
  const records = await afterFirst(readRecords(input.chunks, options, saved), signal);
  const path = options.rejects ?? `${input.name === undefined ? "stdin" : options.file}.rejected.ndjson`;
  using rejects = openRejects({ path, unit, upTo: state.place });
  if (options.resume !== undefined) writeResumeState(options.resume, state);
  const latencies = createHistogram();
  const start = performance.now();
  const sent = () => state.accepted + rejects.count;
  const sentBefore = sent();
  const finish = () => {
    const [p50 = 0, p99 = 0] = [50, 99].map((percent) => latencies.percentile(percent) / 1000);
    summarise(config, { state, unit, rejects, ms: performance.now() - start, p50, p99 });
  };
  try {
    using progress = showProgress({
      stream: process.stderr,
      quiet: config.quiet,
      verb: "sent",
      position: () => ({ count: sent() - sentBefore, at: input.bytesRead(), total: input.totalBytes }),
    });
    using connection = connect(config, patient, {
      answered: (ms) => latencies.record(Math.max(1, Math.round(ms * 1000))),
      observe: retryNotes(config.address, (text) => progress.say(text)),
    });
    if (state.place > 0) progress.say(`going on after ${unit} ${count(state.place)} of ${state.name}`);
    await sendRecords(records, { client: connection.client, options, state, rejects, signal });
  } catch (error) {
    if (sent() > sentBefore) finish();
    // Without an answer the first batch may be stored nevertheless, and only its name finds it again.
    if (sent() > sentBefore || isMadeName(state.name)) {
      createOutput(config).note(goOn(state, { unit, resume: options.resume }));
    }
    throw error;
  }
  finish();
  return rejects.count > 0 ? exitCodes.rejected : exitCodes.ok;
}

/** Where the import that is gone on with was; undefined: it begins. */
function readState({ name, resume }: ImportOptions, fileName: string | undefined): ResumeState | undefined {
  return resume === undefined ? undefined : readResumeState(resume, name ?? fileName);
}

/** An import waits for a server that goes away later, but not for one that does not answer at first. @throws ConnectError */
async function reach(config: Config, signal: AbortSignal): Promise<void> {
  using connection = connect(config, impatient);
  await connection.client.status("", { signal }).catch((error: unknown) => {
    // A credential that may not read may send nevertheless.
    if (ConnectError.from(error).code !== Code.PermissionDenied) throw error;
  });
}

function goOn(
  { place, name }: ResumeState,
  { unit, resume }: { unit: Unit; resume: string | undefined },
): string {
  const stopped = `stopped after ${unit} ${count(place)}`;
  if (resume !== undefined) return `${stopped}; the same command goes on from there`;
  const command = isMadeName(name) ? `the same input with --name ${name}` : "the same command";
  return `${stopped}; ${command} begins anew, and what was sent is not stored twice`;
}

interface Totals {
  state: ResumeState;
  unit: Unit;
  rejects: Rejects;
  ms: number;
  p50: number;
  p99: number;
}

function summarise(config: Config, { state, unit, rejects, ms, p50, p99 }: Totals): void {
  const { accepted, duplicates } = state;
  const rejected = rejects.count;
  const words = [
    `${count(accepted + rejected)} sent`,
    `${count(accepted)} accepted${duplicates > 0 ? ` (${count(duplicates)} duplicates)` : ""}`,
    `${count(rejected)} rejected${rejected > 0 ? ` → ${rejects.path}` : ""}`,
    inWords(ms),
    `p50 ${inWords(p50)} p99 ${inWords(p99)}`,
  ];
  const value = {
    name: state.name,
    sent: accepted + rejected,
    accepted,
    duplicates,
    rejected,
    rejected_file: rejected > 0 ? rejects.path : null,
    [unit]: state.place,
    seconds: round(ms / 1000),
    p50_ms: round(p50),
    p99_ms: round(p99),
  };
  createOutput(config).one(value, words.join(" · "));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
