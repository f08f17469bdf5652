import { create } from "@bufbuild/protobuf";
import { WatchStatusRequestSchema } from "@event-ingestion/api";
import type { Job } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { watchStatus } from "./watch-status.ts";

const job: Job = {
  jobId: "01890000-0000-7000-8000-000000000000",
  tenant: "",
  eventId: "e",
  type: "",
  timestamp: 0n,
  state: "QUEUED",
  attempts: 0,
  maxAttempts: 12,
  acceptedAt: 0,
  cancelRequested: false,
  revision: 3,
};

/** What a watcher is told of these states; undefined is a silence. */
async function messages(news: readonly (Job | undefined)[], afterRevision = 0n): Promise<bigint[]> {
  const left = [...news];
  const ended: Job = { ...job, state: "SUCCEEDED", attempts: 1, finishedAt: 1, revision: 7 };
  const follower = {
    next: async () => (left.length > 0 ? left.shift() : ended),
    leave: () => undefined,
  };
  const request = create(WatchStatusRequestSchema, { jobId: job.jobId, afterRevision });
  const revisions: bigint[] = [];
  for await (const { revision } of watchStatus(request, { follower, mayKnow: () => true, silenceMs: 1 }))
    revisions.push(revision);
  return revisions;
}

test("in a silence the last message comes again", async () => {
  expect(await messages([job, undefined, undefined])).toEqual([3n, 3n, 3n, 7n]);
});

test("a silence before the first state is no message", async () => {
  expect(await messages([undefined, job])).toEqual([3n, 7n]);
});

test("what the caller has already comes in a silence only", async () => {
  expect(await messages([job, undefined], 3n)).toEqual([3n, 7n]);
  expect(await messages([job], 3n)).toEqual([7n]);
});
