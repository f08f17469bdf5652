/** The store's clocks, both in milliseconds. */
export interface Clock {
  /** Since 1970; may be stepped by whoever sets the machine's clock. */
  now(): number;
  /** From any start, never stepped: leases are measured with it. */
  monotonic(): number;
}

/** `offset` holds one int64 of milliseconds that is added to both clocks at each reading. */
export function createClock(offset: SharedArrayBuffer | undefined): Clock {
  const shared = offset === undefined ? undefined : new BigInt64Array(offset);
  const skew = () => (shared === undefined ? 0 : Number(Atomics.load(shared, 0)));
  return {
    now: () => Date.now() + skew(),
    monotonic: () => performance.now() + skew(),
  };
}
