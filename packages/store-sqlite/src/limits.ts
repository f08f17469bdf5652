const mebibyte = 1024 * 1024;

/** The limits of one call. Larger batches were not faster, and a commit of this size takes some milliseconds. */
export const limits: Record<"maxBatch" | "maxBatchBytes" | "maxPayloadBytes", number> = {
  maxBatch: 1000,
  maxBatchBytes: 16 * mebibyte,
  maxPayloadBytes: mebibyte,
};
