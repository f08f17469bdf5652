import type { Leased } from "@event-ingestion/store";

/** Size of a claim's answer in JSON, in bytes; clients of gRPC take 4 MiB unless told otherwise. */
const maxJsonBytes = 4 * 1024 * 1024;

/** About what a job takes in JSON beside its texts. */
const jobBytes = 400;

/**
 * How many of the jobs fit into one answer in JSON, which writes a control character in six bytes, so that the answer may
 * be six times as large as the claim that the store bounds. At least one: else it would never be handed out.
 */
export function fittingInJson(jobs: readonly Leased[]): number {
  let bytes = 0;
  const first = jobs.findIndex((job) => (bytes += jsonBytes(job)) > maxJsonBytes);
  return first < 0 ? jobs.length : Math.max(first, 1);
}

function jsonBytes({ event }: Leased): number {
  const { tenant, eventId, type, payload, trace } = event;
  const texts = [tenant, eventId, type, trace, Buffer.from(payload).toString()];
  return jobBytes + Buffer.byteLength(JSON.stringify(texts));
}
