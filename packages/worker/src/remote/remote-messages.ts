import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Job, SessionSchema, VerdictSchema } from "@event-ingestion/api/worker/v1";
import { type Leased, type Session, StoreError, type Verdict } from "@event-ingestion/store";

type SessionMessage = MessageInitShape<typeof SessionSchema>;
type VerdictMessage = MessageInitShape<typeof VerdictSchema>;

const encoder = new TextEncoder();
// A result may begin with what looks like a byte order mark.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A session as it goes over the wire. */
export function toSessionMessage({ id, ttlMs }: Session): SessionMessage {
  return { id, ttl: durationFromMs(ttlMs) };
}

/** @throws StoreError if the server left out what makes a job. */
export function toLeased({
  jobId,
  attempt,
  maxAttempts,
  failures,
  acceptedAt,
  tenant,
  traceparent,
  event,
}: Job): Leased {
  if (event === undefined || acceptedAt === undefined) {
    throw new StoreError("unknown", "unavailable", `the server gave no event with job ${jobId}`);
  }
  const { eventId, type, timestamp } = event;
  const payload = encoder.encode(event.payload);
  return {
    jobId,
    attempt,
    failures,
    acceptedAt: timestampMs(acceptedAt),
    event: {
      tenant,
      eventId,
      type,
      payload,
      timestamp,
      maxAttempts,
      ...(traceparent !== "" && { trace: traceparent }),
    },
  };
}

/** A verdict as it goes over the wire. */
export function toVerdictMessage(verdict: Verdict): VerdictMessage {
  const { jobId, attempt } = verdict;
  switch (verdict.as) {
    case "succeeded": {
      const result = decoder.decode(verdict.result);
      return { jobId, attempt, outcome: { case: "succeeded", value: { result } } };
    }
    case "retry": {
      const { error, delayMs } = verdict;
      return { jobId, attempt, outcome: { case: "retry", value: { error, delay: durationFromMs(delayMs) } } };
    }
    case "dead":
      return { jobId, attempt, outcome: { case: "dead", value: { error: verdict.error } } };
    case "cancelled":
      return { jobId, attempt, outcome: { case: "cancelled", value: {} } };
    case "release":
      return { jobId, attempt, outcome: { case: "released", value: {} } };
  }
}

/** A server takes no request of 4 MiB. */
const maxRequestBytes = 3 * 1024 * 1024;

/** The verdicts in runs, each small enough for one request. */
export function inRequests(verdicts: readonly Verdict[]): Verdict[][] {
  const requests: Verdict[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const verdict of verdicts) {
    const size = sizeOf(verdict);
    if (bytes + size > maxRequestBytes) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(verdict);
    bytes += size;
  }
  return requests;
}

/** In bytes, rather too many. */
function sizeOf(verdict: Verdict): number {
  const result = verdict.as === "succeeded" ? (verdict.result?.byteLength ?? 0) : 0;
  const error = verdict.as === "retry" || verdict.as === "dead" ? 3 * verdict.error.length : 0;
  return 128 + result + error;
}
