const mebibyte = 1024 * 1024;

/** What one call takes; larger batches were not faster, and a commit of this size takes some milliseconds. */
export const limits: Record<"maxBatch" | "maxBatchBytes" | "maxPayloadBytes", number> = {
  maxBatch: 1000,
  maxBatchBytes: 16 * mebibyte,
  maxPayloadBytes: mebibyte,
};
