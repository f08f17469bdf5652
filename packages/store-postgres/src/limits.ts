const mebibyte = 1024 * 1024;

/** What one call takes. A place in a batch has 10 bits in an id. */
export const limits: Record<"maxBatch" | "maxBatchBytes" | "maxPayloadBytes", number> = {
  maxBatch: 1000,
  maxBatchBytes: 16 * mebibyte,
  maxPayloadBytes: mebibyte,
};
