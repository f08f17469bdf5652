import { basename } from "node:path";
import { createHistogram } from "node:perf_hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Config } from "../config.ts";
import { connect, impatient, patient, retryNotes } from "../connection.ts";
import { exitCodes } from "../failure.ts";
import { openInput } from "../input.ts";
import { createOutput, inWords } from "../output.ts";
import { showProgress } from "../progress.ts";
import { openRejects, type Rejects, rejectsPath } from "./rejects.ts";
import { readResumeState, type ResumeState, writeResumeState } from "./resume-state.ts";
import { type SendOptions, readRecords, sendRecords } from "./send-records.ts";

/** What `event ingest --file` is asked to do. */
export interface ImportOptions extends SendOptions {
  /** Path, or "-" for stdin. */
  file: string;
  format: "ndjson" | "csv";
}

/** Sends a file of events. Answers with the exit code; before it fails it says and saves how far it came. */
export async function importFile(
  options: ImportOptions,
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  const file = basename(options.file);
  const saved = options.resume === undefined ? undefined : readResumeState(options.resume, file);
  const state: ResumeState = { file, line: 0, digest: "", accepted: 0, duplicates: 0, ...saved };
  await using input = await openInput(options.file);
  await reach(config, signal);

  // Before anything is sent: a state that cannot be kept is found out now.
  if (options.resume !== undefined) writeResumeState(options.resume, state);
  using rejects = openRejects(rejectsPath(options.file), state.line);
  const latencies = createHistogram();
  const start = performance.now();
  const sent = () => state.accepted + rejects.count;
  const sentBefore = sent();
  const finish = () => {
    const [p50 = 0, p99 = 0] = [50, 99].map((percent) => latencies.percentile(percent) / 1000);
    summarise(config, { state, rejects, ms: performance.now() - start, p50, p99 });
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
    if (saved !== undefined) progress.say(`going on after line ${count(saved.line)} of ${file}`);
    const records = readRecords(input.chunks, options.format, saved);
    await sendRecords(records, { client: connection.client, options, state, rejects, signal });
  } catch (error) {
    if (sent() > sentBefore) {
      finish();
      createOutput(config).note(goOn(state, options.resume));
    }
    throw error;
  }
  finish();
  return rejects.count > 0 ? exitCodes.rejected : exitCodes.ok;
}

/** An import waits for a server that went away, but not for one that never was there. @throws ConnectError */
async function reach(config: Config, signal: AbortSignal): Promise<void> {
  using connection = connect(config, impatient);
  await connection.client.status("", { signal }).catch((error: unknown) => {
    // A credential that may not read may send nevertheless.
    if (ConnectError.from(error).code !== Code.PermissionDenied) throw error;
  });
}

function goOn({ line }: ResumeState, resume: string | undefined): string {
  return resume === undefined
    ? `stopped after line ${count(line)}; the same command begins anew, and what was sent is not stored twice`
    : `stopped after line ${count(line)}; the same command goes on from there`;
}

interface Totals {
  state: ResumeState;
  rejects: Rejects;
  ms: number;
  p50: number;
  p99: number;
}

function summarise(config: Config, { state, rejects, ms, p50, p99 }: Totals): void {
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
    sent: accepted + rejected,
    accepted,
    duplicates,
    rejected,
    rejected_file: rejected > 0 ? rejects.path : null,
    line: state.line,
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
