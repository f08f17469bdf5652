import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";

/** Why the signal of a call aborts whose time is over. One for all calls, as errors are dear. */
export const timedOut: ConnectError = new ConnectError("the operation timed out", Code.DeadlineExceeded);

/**
 * Connect begins a call whose time is over on arrival, and a handler that ends before it looks at its signal is never
 * told. @throws ConnectError DEADLINE_EXCEEDED for such a call.
 */
export function refuseLate({ timeoutMs }: Pick<HandlerContext, "timeoutMs">): void {
  const leftMs = timeoutMs();
  if (leftMs !== undefined && leftMs <= 0) throw timedOut;
}
