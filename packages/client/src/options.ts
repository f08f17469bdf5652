import type { ConnectError, Transport } from "@connectrpc/connect";
import type { RetryPolicy } from "./retry.ts";

/** What `createEventClient` takes. Only `transport` must be given. */
export interface EventClientOptions {
  /** How to reach the server: a transport of @connectrpc/connect-node or @connectrpc/connect-web. */
  transport: Transport;
  /**
   * Whether `waitUntilDone` may use WatchStatus, and `ingestMany` IngestStream. It does so once an empty batch was answered on a stream; a way to the
   * server that takes none (browsers, HTTP/1.1, some proxies) is remembered. Default true.
   */
  streaming?: boolean;
  /** Tries of one call in all, 1 to 1,000,000. Default 10. */
  maxTries?: number;
  /** Delay after the first try, in ms, 1 to 60,000; doubled after each further one. Default 100. */
  retryBaseMs?: number;
  /** Longest delay, in ms, `retryBaseMs` to 600,000. A server may ask for a longer one. Default 10,000. */
  retryMaxMs?: number;
  /** How long one call may take with all its tries, in ms, 1 to 2^31 - 1. Default 30,000. */
  timeoutMs?: number;
  /** Told what happens; must not throw. */
  observe?: (event: ClientEvent) => void;
}

/** What `observe` is told. "retry": a try failed, and the next one follows after `waitMs`. */
export type ClientEvent = { kind: "retry"; error: ConnectError; tries: number; waitMs: number };

/** Limits of one call. */
export interface CallOptions {
  /** Ends the call with CANCELED. An event that was on its way may be stored nevertheless. */
  signal?: AbortSignal | undefined;
  /** Instead of the client's `timeoutMs`. When it is over the call ends with DEADLINE_EXCEEDED, or its last error. */
  timeoutMs?: number | undefined;
}

/** Limits of `waitUntilDone`. */
export interface WaitOptions {
  /** Ends the wait with CANCELED. */
  signal?: AbortSignal | undefined;
  /** How long to wait, in ms, 1 to 2^31 - 1; then DEADLINE_EXCEEDED. Default: until it is done. */
  timeoutMs?: number | undefined;
  /**
   * First pause between two questions where the job is not watched, in ms, 1 to 60,000; doubled up to 32 times as much.
   * Default 50.
   */
  pollMs?: number | undefined;
}

/** Checked and complete. */
export interface ResolvedOptions extends RetryPolicy {
  transport: Transport;
  streaming: boolean;
  timeoutMs: number;
  observe: (event: ClientEvent) => void;
}

/** @throws RangeError naming the option, what was wanted and what was got. */
export function resolveOptions(options: EventClientOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    streaming: true,
    maxTries: 10,
    retryBaseMs: 100,
    retryMaxMs: 10_000,
    timeoutMs: 30_000,
    observe: () => undefined,
    ...options,
  };
  checkInteger("maxTries", resolved.maxTries, { min: 1, max: 1_000_000 });
  checkInteger("retryBaseMs", resolved.retryBaseMs, { min: 1, max: 60_000 });
  checkInteger("retryMaxMs", resolved.retryMaxMs, { min: resolved.retryBaseMs, max: 600_000 });
  checkTimeout(resolved.timeoutMs);
  return resolved;
}

/** @throws RangeError naming the option, what was wanted and what was got. */
export function checkInteger(name: string, got: number, { min, max }: { min: number; max: number }): void {
  if (Number.isInteger(got) && got >= min && got <= max) return;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}, got ${got}`);
}

/** The longest that a timer can wait is 2^31 - 1 ms. @throws RangeError */
export function checkTimeout(timeoutMs: number): void {
  checkInteger("timeoutMs", timeoutMs, { min: 1, max: 2 ** 31 - 1 });
}
