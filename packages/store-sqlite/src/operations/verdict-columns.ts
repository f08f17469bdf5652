import { canonicalId, type JobId, type Verdict } from "@event-ingestion/store";
import { joined } from "./event-columns.ts";
import { type JobKey, parseJobId } from "../tables/job-id.ts";

/** What a verdict says besides the attempt. */
type VerdictBody = Verdict extends infer V
  ? V extends Verdict
    ? Omit<V, "jobId" | "attempt">
    : never
  : never;

/** A verdict that is no success. */
type OtherEnding = Exclude<VerdictBody, { as: "succeeded" }>;

/** Verdicts as they cross threads. Nearly all are successes, so these cost least. */
export interface VerdictColumns {
  jobIds: JobId[];
  attempts: number[];
  /** null: it succeeded. */
  endings: (OtherEnding | null)[];
  /** null: without a result. */
  resultBytes: (number | null)[];
  results: Uint8Array;
}

/** A verdict with the row it is about and its place in the answer. */
export interface PlacedVerdict {
  index: number;
  key: JobKey;
  jobId: JobId;
  attempt: number;
  ending: OtherEnding | null;
  result: Uint8Array | null;
}

/** Verdicts as columns. */
export function packVerdicts(verdicts: readonly Verdict[]): VerdictColumns {
  const results = verdicts.map(resultOf);
  return {
    jobIds: verdicts.map(({ jobId }) => canonicalId(jobId)),
    attempts: verdicts.map(({ attempt }) => attempt),
    endings: verdicts.map(endingOf),
    resultBytes: results.map((result) => result?.byteLength ?? null),
    results: joined(results.filter((result) => result !== null)),
  };
}

/** Leaves out ids that no store gave out. */
export function unpackVerdicts({
  jobIds,
  attempts,
  endings,
  resultBytes,
  results,
}: VerdictColumns): PlacedVerdict[] {
  const verdicts: PlacedVerdict[] = [];
  let end = 0;
  for (const [index, jobId] of jobIds.entries()) {
    const bytes = resultBytes[index] ?? null;
    const result = bytes === null ? null : results.subarray(end, (end += bytes));
    const key = parseJobId(jobId);
    if (key === undefined) continue;
    verdicts.push({
      index,
      key,
      jobId,
      attempt: attempts[index] ?? 0,
      ending: endings[index] ?? null,
      result,
    });
  }
  return verdicts;
}

function resultOf(verdict: Verdict): Uint8Array | null {
  return verdict.as === "succeeded" ? (verdict.result ?? null) : null;
}

function endingOf(verdict: Verdict): OtherEnding | null {
  switch (verdict.as) {
    case "succeeded":
      return null;
    case "dead":
      return { as: "dead", error: verdict.error };
    case "retry":
      return { as: "retry", error: verdict.error, delayMs: verdict.delayMs };
    case "cancelled":
    case "release":
      return { as: verdict.as };
  }
}
