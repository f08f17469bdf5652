import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JobState, type StatusResponse, StatusResponseSchema } from "@event-ingestion/api";
import type { Job, State } from "@event-ingestion/store";

const states: Record<State, { state: JobState; status: string }> = {
  QUEUED: { state: JobState.QUEUED, status: "processing" },
  RUNNING: { state: JobState.RUNNING, status: "processing" },
  SUCCEEDED: { state: JobState.SUCCEEDED, status: "done" },
  DEAD: { state: JobState.DEAD, status: "failed" },
  CANCELLED: { state: JobState.CANCELLED, status: "cancelled" },
};

/** The last millisecond of year 9999: a Timestamp after it cannot be written as JSON. */
export const lastMs: number = 253_402_300_799_999;

/** What the service says about a job; undefined is "not found". */
export function jobStatus(jobId: string, job: Job | undefined): StatusResponse {
  if (job === undefined) return create(StatusResponseSchema, { status: "not found", jobId });
  const init: MessageInitShape<typeof StatusResponseSchema> = {
    ...states[job.state],
    attempts: job.attempts,
    maxAttempts: job.maxAttempts,
    acceptedAt: timestampFromMs(job.acceptedAt),
    lastError: job.lastError ?? "",
    result: job.result === undefined ? "" : Buffer.from(job.result).toString(),
    revision: BigInt(job.revision),
    jobId: job.jobId,
    eventId: job.eventId,
    type: job.type,
    cancelRequested: job.cancelRequested,
  };
  if (job.nextAttemptAt !== undefined)
    init.nextAttemptAt = timestampFromMs(Math.min(job.nextAttemptAt, lastMs));
  if (job.finishedAt !== undefined) init.finishedAt = timestampFromMs(job.finishedAt);
  return create(StatusResponseSchema, init);
}
