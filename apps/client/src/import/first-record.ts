/**
 * Waits for the first record and gives it back with the rest, so that what is wrong with the beginning is known before
 * anything is done.
 *
 * @throws the reason of `signal`, or whatever the source throws
 */
export async function afterFirst<T>(
  records: AsyncGenerator<T, void>,
  signal: AbortSignal,
): Promise<AsyncGenerator<T, void>> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return resumed(await Promise.race([records.next(), aborted.promise]), records);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function* resumed<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
