import type { Interceptor } from "@connectrpc/connect";

/**
 * Ends the generator of a streaming rpc when its signal aborts, which it does at the end of every call. Without this,
 * one that is suspended at `yield` when an HTTP/2 peer cancels is never resumed, and its `finally` never runs. One that
 * waits for something of its own ends only after that wait, so every wait in a handler has to take the signal.
 */
export const finalizeOnAbort: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream) return response;
  const { signal } = request;
  const messages = response.message[Symbol.asyncIterator]();
  let cut = false;
  const finish = () => {
    cut = true;
    messages.return?.().catch(() => undefined);
  };
  if (signal.aborted) finish();
  else signal.addEventListener("abort", finish, { once: true });
  // Rejects rather than ends: a stream that was cut must not look complete.
  const step = () => (cut ? Promise.reject(signal.reason) : messages.next());
  return { ...response, message: { [Symbol.asyncIterator]: () => ({ next: step }) } };
};
