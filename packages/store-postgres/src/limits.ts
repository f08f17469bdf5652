const mebibyte = 1024 * 1024;

/** The limits of one call. An id has 10 bits for the place in a batch. */
export const limits: Record<"maxBatch" | "maxBatchBytes" | "maxPayloadBytes", number> = {
  maxBatch: 1000,
  maxBatchBytes: 16 * mebibyte,
  maxPayloadBytes: mebibyte,
};
