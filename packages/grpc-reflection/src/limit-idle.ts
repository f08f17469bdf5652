import { Code, ConnectError } from "@connectrpc/connect";

/** When a wait for a message ends without one. */
export interface IdleLimit {
  /** How long one wait may take, in ms. */
  idleMs: number;
  /** Ends a wait when it aborts. */
  signal: AbortSignal;
}

/**
 * Gives what `messages` gives.
 *
 * @throws ConnectError DEADLINE_EXCEEDED when the next one takes too long; the signal's reason when it aborts.
 */
export async function* limitIdle<T>(messages: AsyncIterable<T>, limit: IdleLimit): AsyncGenerator<T, void> {
  const source = messages[Symbol.asyncIterator]();
  for (;;) {
    const next = await nextWithin(source, limit);
    if (next.done === true) return;
    yield next.value;
  }
}

async function nextWithin<T>(source: AsyncIterator<T>, { idleMs, signal }: IdleLimit) {
  signal.throwIfAborted();
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  const abort = () => stop(signal.reason);
  const idle = () => stop(new ConnectError(`no message for ${idleMs} ms`, Code.DeadlineExceeded));
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(idle, idleMs);
  try {
    return await Promise.race([source.next(), stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
