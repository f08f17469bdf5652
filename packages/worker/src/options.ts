import { hostname } from "node:os";
import type { JobSource } from "@event-ingestion/store";
import { checkHandlers, type Handler } from "./handler.ts";
import type { Observe } from "./observe.ts";

/** What `runWorker` takes. `source`, `handlers` and `signal` must be given. */
export interface WorkerOptions {
  /** Where jobs come from: a store. The caller opens it and closes it after the worker. */
  source: JobSource;
  /** At least one, and no two for the same type. */
  handlers: readonly Handler[];
  /** Ends the worker: see `drainMs`. */
  signal: AbortSignal;
  /** Handlers that run at once, 1 to 10,000. At most twice as many jobs are held. Default 64. */
  concurrency?: number;
  /** How long the worker may be silent before its jobs run elsewhere, 100 ms to 1 h. Default 30,000. */
  leaseMs?: number;
  /** Delay after the first failed attempt, doubled for each further one, 1 ms to 1 day. Default 1000. */
  retryBaseMs?: number;
  /** Longest delay between two attempts, `retryBaseMs` to 30 days. Default 3,600,000. */
  retryMaxMs?: number;
  /** How long one attempt may take, 1 ms to 1 day. Default 900,000. */
  handlerTimeoutMs?: number;
  /** How long running handlers may go on after `signal` aborted, 0 ms to 1 h. Default 5000. */
  drainMs?: number;
  /** What operators know the worker by, 1 to 128 characters. Default: host name and process id. */
  name?: string;
  /** Told what happens; must not throw. */
  observe?: Observe;
}

/** All options, checked. */
export type WorkerSettings = Readonly<Required<WorkerOptions>>;

const day = 24 * 3600 * 1000;

/** @throws HandlersError or RangeError naming the option, what was wanted and what was got. */
export function resolveOptions(options: WorkerOptions): WorkerSettings {
  const settings = {
    concurrency: 64,
    leaseMs: 30_000,
    retryBaseMs: 1000,
    retryMaxMs: 3_600_000,
    handlerTimeoutMs: 900_000,
    drainMs: 5000,
    name: `${hostname()}:${process.pid}`.slice(-128),
    observe: () => undefined,
    ...options,
    handlers: checkHandlers("handlers", options.handlers),
  };
  checkNumber("concurrency", settings.concurrency, 1, 10_000);
  checkNumber("leaseMs", settings.leaseMs, 100, 3_600_000);
  checkNumber("retryBaseMs", settings.retryBaseMs, 1, day);
  checkNumber("retryMaxMs", settings.retryMaxMs, settings.retryBaseMs, 30 * day);
  checkNumber("handlerTimeoutMs", settings.handlerTimeoutMs, 1, day);
  checkNumber("drainMs", settings.drainMs, 0, 3_600_000);
  if (settings.name.length < 1 || settings.name.length > 128) {
    throw new RangeError(`name must have 1 to 128 characters, got ${settings.name.length}`);
  }
  return settings;
}

function checkNumber(name: string, got: number, min: number, max: number): void {
  if (Number.isInteger(got) && got >= min && got <= max) return;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}, got ${got}`);
}
