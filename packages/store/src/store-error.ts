/** Why a store call failed. */
export type StoreErrorReason =
  | "unavailable"
  | "overloaded"
  | "invalid"
  | "corrupt"
  | "locked"
  | "incompatible";

/**
 * The only error a store throws on purpose.
 *
 * `outcome` "notApplied": nothing changed. "unknown": it may or may not be stored; ask again with the same event ids.
 */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly outcome: "notApplied" | "unknown";
  readonly reason: StoreErrorReason;

  constructor(
    outcome: "notApplied" | "unknown",
    reason: StoreErrorReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.outcome = outcome;
    this.reason = reason;
  }
}

/** Nothing was applied; the same call may succeed later. */
export function unavailable(message: string, options?: ErrorOptions): StoreError {
  return new StoreError("notApplied", "unavailable", message, options);
}

/** For input that breaks a rule of the port: nothing of the call was done. */
export function invalid(message: string): StoreError {
  return new StoreError("notApplied", "invalid", message);
}
