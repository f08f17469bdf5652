import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";

const minDelayMs = 100;
const maxDelayMs = 30_000;

/**
 * UNAVAILABLE that asks the client to try again: google.rpc.RetryInfo and a `retry-after` header in whole seconds.
 *
 * The delay is made one from 0.1 to 30 s, and spread by 20 % either way, so that clients refused together do not come
 * back together.
 */
export function retryLater(message: string, delayMs = 1000): ConnectError {
  const bounded = Math.min(maxDelayMs, Math.max(minDelayMs, delayMs));
  const spread = bounded * (0.8 + 0.4 * Math.random());
  const retryDelay = {
    seconds: BigInt(Math.floor(spread / 1000)),
    nanos: Math.floor(spread % 1000) * 1_000_000,
  };
  return new ConnectError(message, Code.Unavailable, { "retry-after": String(Math.ceil(spread / 1000)) }, [
    { desc: RetryInfoSchema, value: { retryDelay } },
  ]);
}
