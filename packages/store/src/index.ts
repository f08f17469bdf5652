export type {
  Appended,
  Caps,
  Counts,
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
export { lossesInCompany, maxClaimBytes, revision } from "./job-store.ts";
export { StoreError, type StoreErrorReason } from "./store-error.ts";
export { type FieldViolation, findViolation, maxKeyBytes } from "./event-limits.ts";
export { type Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
