import type { StatusResponse, WatchStatusRequest } from "@event-ingestion/api";
import type { Job } from "@event-ingestion/store";
import { jobStatus } from "./job-status.ts";
import type { Follower } from "./watchers.ts";

/** What `watchStatus` takes beside the request. */
export interface WatchStatusOptions {
  /** Follows the job of the request. */
  follower: Follower;
  /** Whether the caller may know of the job. */
  mayKnow: (job: Job) => boolean;
  /** After this long without a change the last message is sent again, in ms. */
  silenceMs: number;
}

/**
 * The state of a job now, then each change; the last one when it has ended. A slow reader misses states in between, never the
 * last one.
 *
 * @throws ConnectError as the follower does.
 */
export async function* watchStatus(
  { jobId, afterRevision }: WatchStatusRequest,
  { follower, mayKnow, silenceMs }: WatchStatusOptions,
): AsyncGenerator<StatusResponse, void> {
  let last: StatusResponse | undefined;
  try {
    for (;;) {
      const job = await follower.next(silenceMs);
      if (job === undefined) {
        if (last !== undefined) yield last;
        continue;
      }
      const isKnown = job !== null && mayKnow(job);
      last = jobStatus(jobId, isKnown ? job : undefined);
      const hasEnded = !isKnown || job.finishedAt !== undefined;
      if (hasEnded || last.revision > afterRevision) yield last;
      if (hasEnded) return;
    }
  } finally {
    follower.leave();
  }
}
