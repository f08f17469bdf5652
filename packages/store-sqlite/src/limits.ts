/** What one call takes. The batch bounds keep a commit within some milliseconds; larger ones were not faster. */
export const limits = {
  maxBatch: 1000,
  maxBatchBytes: 16 * 1024 * 1024,
  maxPayloadBytes: 1024 * 1024,
  /** Of payload and overhead that one claim hands out; it is never more than one job beyond. */
  maxClaimBytes: 16 * 1024 * 1024,
  maxResultBytes: 64 * 1024,
  maxErrorBytes: 4096,
  /** Failed attempts whose error is kept. */
  keptErrors: 20,
};
