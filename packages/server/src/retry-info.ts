import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";

/**
 * An error that asks the client to try again: google.rpc.RetryInfo and a `retry-after` header in whole seconds.
 *
 * The delay is spread by 20 % either way, so that clients refused together do not come back together.
 */
export function retryLater(
  message: string,
  code: Code.Unavailable | Code.ResourceExhausted = Code.Unavailable,
  delayMs = 1000,
): ConnectError {
  const spread = delayMs * (0.8 + 0.4 * Math.random());
  const retryDelay = {
    seconds: BigInt(Math.floor(spread / 1000)),
    nanos: Math.floor(spread % 1000) * 1_000_000,
  };
  return new ConnectError(message, code, { "retry-after": String(Math.ceil(spread / 1000)) }, [
    { desc: RetryInfoSchema, value: { retryDelay } },
  ]);
}
