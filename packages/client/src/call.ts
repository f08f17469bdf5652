import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { EventService } from "@event-ingestion/api";
import { type CallOptions, checkTimeout, type ResolvedOptions } from "./options.ts";
import { retryDelayMs } from "./retry.ts";

/** The generated client. */
export type EventServiceClient = Client<typeof EventService>;

/** What bounds one try of an rpc. */
export interface TryLimits {
  signal?: AbortSignal;
  timeoutMs: number;
}

/** One try of an rpc. */
export type Try<T> = (limits: TryLimits) => Promise<T>;

/**
 * Runs a call until it has an answer, an error that stands, or no time left for another try.
 *
 * @throws ConnectError the last one. RangeError for a timeout out of its limits.
 */
export async function callWithRetries<T>(
  run: Try<T>,
  client: ResolvedOptions,
  { signal, timeoutMs = client.timeoutMs }: CallOptions,
): Promise<T> {
  checkTimeout(timeoutMs);
  if (signal?.aborted) throw canceled(signal);
  const deadline = performance.now() + timeoutMs;
  for (let tries = 1; ; tries++) {
    try {
      const leftMs = Math.ceil(deadline - performance.now());
      return await run({ timeoutMs: leftMs, ...(signal && { signal }) });
    } catch (reason) {
      const error = ConnectError.from(reason);
      const waitMs = retryDelayMs(error, tries, { policy: client, random: Math.random() });
      if (signal?.aborted || waitMs === undefined || performance.now() + waitMs >= deadline) throw error;
      client.observe({ kind: "retry", error, tries, waitMs });
      await pause(waitMs, signal);
    }
  }
}

/** @throws ConnectError CANCELED as soon as the signal aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(canceled(signal));
    const abort = () => {
      clearTimeout(timer);
      if (signal !== undefined) reject(canceled(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** What a call that the caller aborted ends with: the signal's reason as CANCELED, as the transports do it. */
export function canceled(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}
