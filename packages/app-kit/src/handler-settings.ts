import type { Environment } from "./environment.ts";

/** How handlers run, as `runWorker` takes it. */
export interface HandlerSettings {
  concurrency: number;
  retryBaseMs: number;
  retryMaxMs: number;
  leaseMs: number;
  handlerTimeoutMs: number;
}

/** The variables with their defaults, for --help. */
export const handlerUsage = `  CONCURRENCY          handlers that run at once (64)
  RETRY_BASE_MS        delay before the second attempt, doubled for each further one (1000)
  RETRY_MAX_MS         longest delay between two attempts (3600000)
  LEASE_MS             how long a worker may be silent before its jobs run elsewhere (30000)
  HANDLER_TIMEOUT_MS   how long one attempt may take (900000)`;

const dayMs = 86_400_000;

/** `lease` is what the source of the jobs takes, in ms. */
export function readHandlerSettings(env: Environment, lease: { min: number; max: number }): HandlerSettings {
  const settings = {
    concurrency: env.integer("CONCURRENCY", 64, { min: 1, max: 10_000 }),
    retryBaseMs: env.integer("RETRY_BASE_MS", 1000, { min: 1, max: dayMs }),
    retryMaxMs: env.integer("RETRY_MAX_MS", 3_600_000, { min: 1, max: 30 * dayMs }),
    leaseMs: env.integer("LEASE_MS", 30_000, lease),
    handlerTimeoutMs: env.integer("HANDLER_TIMEOUT_MS", 900_000, { min: 1, max: dayMs }),
  };
  const { retryBaseMs, retryMaxMs } = settings;
  if (retryMaxMs < retryBaseMs) {
    env.wrong(`RETRY_MAX_MS must be at least RETRY_BASE_MS (${retryBaseMs}), got "${retryMaxMs}"`);
  }
  return settings;
}
