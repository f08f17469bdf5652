import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { type StatusResponse, StatusResponseSchema } from "@event-ingestion/api";
import type { Config } from "../config.ts";
import { connect, impatient, patient, retryNotes } from "../connection.ts";
import { exitCodes } from "../failure.ts";
import { createOutput, inWords, plain } from "../output.ts";

/** Calls under way at once. */
const chunk = 50;

/** What `event status` is asked to do. */
export interface StatusOptions {
  ids: string[];
  /** Whether to follow the jobs until they have ended. */
  watch: boolean;
}

/** `event status`. Answers with the exit code. */
export function status({ ids, watch }: StatusOptions, config: Config, signal: AbortSignal): Promise<number> {
  return watch ? watchAll(ids, config, signal) : askForAll(ids, config, signal);
}

/** A result for each change of each job, as it comes. */
async function watchAll(ids: readonly string[], config: Config, signal: AbortSignal): Promise<number> {
  const output = createOutput(config);
  const say = (text: string) => output.note(text);
  using connection = connect(config, patient, { observe: retryNotes(config.address, say) });
  const follow = async (id: string): Promise<boolean> => {
    let isKnown = true;
    for await (const job of connection.client.watch(id, { signal, timeoutMs: config.timeoutMs })) {
      output.one(statusJson(job), describe(job, Date.now()));
      isKnown = job.status !== "not found";
    }
    return isKnown;
  };
  const known = await Promise.all(ids.map(follow));
  return known.includes(false) ? exitCodes.notFound : exitCodes.ok;
}

async function askForAll(ids: readonly string[], config: Config, signal: AbortSignal): Promise<number> {
  using connection = connect(config, impatient);
  const jobs: StatusResponse[] = [];
  for (let start = 0; start < ids.length; start += chunk) {
    const some = ids.slice(start, start + chunk);
    jobs.push(...(await Promise.all(some.map((id) => connection.client.status(id, { signal })))));
  }
  createOutput(config).many(jobs.map(statusJson), jobs.map((job) => describe(job, Date.now())).join("\n"));
  return jobs.some((job) => job.status === "not found") ? exitCodes.notFound : exitCodes.ok;
}

function statusJson(job: StatusResponse): JsonValue {
  return toJson(StatusResponseSchema, job, { useProtoFieldName: true });
}

/** "0199… failed after 12 of 12 attempts: no route to host". */
export function describe(job: StatusResponse, now: number): string {
  const { jobId, attempts, maxAttempts, lastError, result } = job;
  const ofAttempts = `${attempts} of ${maxAttempts} ${maxAttempts === 1 ? "attempt" : "attempts"}`;
  const why = lastError === "" ? "" : `: ${plain(lastError)}`;
  switch (job.status) {
    case "done":
      return `${jobId} done${took(job)}${result === "" ? "" : `: ${plain(result)}`}`;
    case "failed":
      return `${jobId} failed after ${ofAttempts}${why}`;
    case "processing": {
      const due = job.nextAttemptAt && dueIn(job.nextAttemptAt, now);
      return `${jobId} processing, ${ofAttempts}${due ?? ""}${why}`;
    }
    default:
      return `${jobId} ${job.status}`;
  }
}

function took({ acceptedAt, finishedAt }: StatusResponse): string {
  if (acceptedAt === undefined || finishedAt === undefined) return "";
  return ` in ${inWords(timestampDate(finishedAt).getTime() - timestampDate(acceptedAt).getTime())}`;
}

function dueIn(at: Timestamp, now: number): string {
  const ms = timestampDate(at).getTime() - now;
  return ms <= 0 ? "" : `, next in ${inWords(ms)}`;
}
