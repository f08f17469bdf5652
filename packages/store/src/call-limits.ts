import { findViolation } from "./event-limits.ts";
import type { Caps, StoredJob } from "./job-store.ts";
import { invalid } from "./store-error.ts";

/** Jobs in one page of `list`. */
const maxPage = 1000;

/** @throws StoreError notApplied/invalid */
export function checkTtl(ttlMs: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1) return;
  throw invalid(`ttlMs must be a whole number of milliseconds from 1, got ${ttlMs}`);
}

/** @throws StoreError notApplied/invalid */
export function checkListLimit(limit: number): void {
  checkLimit(limit, maxPage);
}

/** @throws StoreError notApplied/invalid */
export function checkExportLimit(limit: number, { maxBatch }: Pick<Caps, "maxBatch">): void {
  checkLimit(limit, maxBatch);
}

/** @throws StoreError notApplied/invalid */
export function checkImportSize(jobs: readonly StoredJob[], { maxBatch }: Pick<Caps, "maxBatch">): void {
  if (jobs.length <= maxBatch) return;
  throw invalid(`a batch has at most ${maxBatch} jobs, got ${jobs.length}`);
}

/**
 * Whether a store takes in a job of another one, apart from its id.
 *
 * @throws StoreError notApplied/invalid
 */
export function checkStoredJob(job: StoredJob, caps: Pick<Caps, "maxPayloadBytes">): void {
  if (job.state === "RUNNING") throw invalid(`job ${job.jobId} is RUNNING`);
  const violation = findViolation({ ...job, maxAttempts: job.budget }, caps);
  if (violation !== undefined) throw invalid(`job ${job.jobId}: ${violation.message}`);
}

function checkLimit(limit: number, max: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return;
  throw invalid(`limit must be a whole number from 1 to ${max}, got ${limit}`);
}
