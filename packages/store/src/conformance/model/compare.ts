import { expect } from "vitest";
import { type Job, type JobId, type JobStore, revision, type State } from "../../job-store.ts";
import { dueJobs, heldJobs, type Model } from "./model.ts";
import { isLive, type ModelJob } from "./job.ts";

/** The last look at each job that was seen. */
export type Seen = Map<JobId, Job>;

/** Each job as the model has it, its revision risen if anything changed, and pruned ones gone for good. */
export async function compareJobs(store: JobStore, model: Model, seen: Seen): Promise<void> {
  const known = [...model.jobs.values()];
  const pruned = [...model.pruned].slice(-50);
  const jobs = await store.get([...known.map(({ jobId }) => jobId), ...pruned]);
  expect(jobs.slice(known.length)).toEqual(pruned.map(() => null));
  for (const [index, expected] of known.entries()) {
    const job = jobs[index];
    if (!job) throw new Error(`${expected.jobId} is gone`);
    compareJob(job, expected);
    const before = seen.get(job.jobId);
    if (before?.revision === job.revision) expect(job).toEqual(before);
    else if (before) expect(job.revision).toBeGreaterThan(before.revision);
    seen.set(job.jobId, job);
  }
}

function compareJob(job: Job, expected: ModelJob): void {
  const { jobId, event, state, attempts, maxAttempts, cancelRequested, errors } = expected;
  const { tenant, eventId, type, timestamp } = event;
  const lastError = errors.at(-1)?.error;
  expect(job).toMatchObject({
    jobId,
    tenant,
    eventId,
    type,
    timestamp,
    state,
    attempts,
    maxAttempts,
    cancelRequested,
  });
  expect(job.lastError).toBe(lastError);
  expect(job.result).toEqual(expected.result);
  expect(job.revision).toBe(revision(job));
  expect(job.finishedAt === undefined).toBe(isLive(job));
  if (state !== "QUEUED") expect(job.nextAttemptAt).toBeUndefined();
}

/** Everything else that can be asked: details, counts, keys and pages. */
export async function compareAll(store: JobStore, model: Model): Promise<void> {
  for (const { jobId, event, errors } of model.jobs.values()) {
    const detail = await store.getDetail(jobId);
    expect(detail?.payload && Buffer.compare(detail.payload, event.payload)).toBe(0);
    expect(detail?.errors).toMatchObject(errors);
    expect(await store.find(event.tenant, [event.eventId])).toEqual([jobId]);
  }
  await compareCounts(store, model);
  await compareLists(store, model);
}

async function compareCounts(store: JobStore, model: Model): Promise<void> {
  const { byState, scheduled, oldestReadyAt, workers, asOf } = await store.counts();
  const jobs = [...model.jobs.values()];
  const count = (wanted: State) => jobs.filter(({ state }) => state === wanted).length;
  const due = dueJobs(model).length;
  expect(byState).toEqual({
    QUEUED: count("QUEUED"),
    RUNNING: count("RUNNING"),
    SUCCEEDED: count("SUCCEEDED"),
    DEAD: count("DEAD"),
    CANCELLED: count("CANCELLED"),
  });
  expect(scheduled).toBe(count("QUEUED") - due);
  expect(oldestReadyAt !== undefined).toBe(due > 0);
  expect(oldestReadyAt ?? 0).toBeLessThanOrEqual(asOf);
  for (const { session, worker, open, lease } of model.sessions) {
    if (!open || lease.passed()) continue;
    const held = heldJobs(model, session).length;
    expect(workers).toContainEqual({ worker, held, expiresAt: expect.any(Number) });
  }
}

async function compareLists(store: JobStore, model: Model): Promise<void> {
  const jobs = [...model.jobs.values()].toReversed();
  for (const state of ["QUEUED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED", undefined] as const) {
    const listed: JobId[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.list({
        limit: 7,
        ...(state && { state }),
        ...(cursor !== undefined && { cursor }),
      });
      listed.push(...page.jobs.map(({ jobId }) => jobId));
      cursor = page.cursor;
    } while (cursor !== undefined);
    const expected = jobs.filter((job) => state === undefined || job.state === state);
    expect(listed).toEqual(expected.map(({ jobId }) => jobId));
  }
}
