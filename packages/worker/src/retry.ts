import { isRetryLater, maxDelayMs } from "./handler.ts";

/** How long to wait between attempts. */
export interface RetryPolicy {
  /** The delay after the first failure, doubled after each further one. */
  readonly retryBaseMs: number;
  /** The delay never grows beyond this. */
  readonly retryMaxMs: number;
}

/**
 * The delay after failure number `failures` (from 1): min(base * 2^(failures - 1), max), spread by up to 20 % to either
 * side, so that what failed together does not come back together.
 */
export function backoffMs(failures: number, policy: RetryPolicy, random: () => number): number {
  const delay = Math.min(policy.retryBaseMs * 2 ** (failures - 1), policy.retryMaxMs);
  return Math.round(delay * (0.8 + 0.4 * random()));
}

/**
 * The delay before the next attempt, after `thrown` was failure number `failures` of the job's budget. The delay of `RetryLater` is
 * never shortened, except to 365 days. A delay that is not a number of milliseconds is ignored, because no store takes it.
 */
export function retryDelayMs(
  thrown: unknown,
  failures: number,
  { random, ...policy }: RetryPolicy & { random: () => number },
): number {
  const askedMs = isRetryLater(thrown) ? thrown.delayMs : undefined;
  if (typeof askedMs !== "number" || Number.isNaN(askedMs)) return backoffMs(failures, policy, random);
  return Math.ceil(Math.min(Math.max(0, askedMs), maxDelayMs));
}
