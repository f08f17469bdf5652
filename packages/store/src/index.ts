export type {
  Appended,
  Caps,
  Counts,
  Hint,
  Job,
  JobDetail,
  JobId,
  JobSource,
  JobStore,
  Leased,
  ListQuery,
  NewEvent,
  Policy,
  Session,
  State,
  StoredJob,
  Verdict,
} from "./job-store.ts";
export { canonicalId, failuresBefore, lossesBeforeIsolation, maxClaimBytes, revision } from "./job-store.ts";
export { invalid, StoreError, type StoreErrorReason, unavailable } from "./store-error.ts";
export { eventDigest } from "./event-digest.ts";
export { checkBatch, type FieldViolation, findViolation, keptTrace, maxKeyBytes } from "./event-limits.ts";
export { checkVerdict, keptError, keptErrors } from "./verdict-limits.ts";
export { checkKeepMs } from "./policy-limits.ts";
export {
  checkExportLimit,
  checkImportSize,
  checkListLimit,
  checkStoredJob,
  checkTtl,
} from "./call-limits.ts";
export { stateCode, stateName } from "./state-code.ts";
export { createHints, type Hints } from "./hints.ts";
export { type Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
export type { Caller } from "./late-callers.ts";
