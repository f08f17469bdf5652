import { uptime } from "node:os";

/** The store's clocks, in milliseconds. They stand still between two readings, so that a call has one time. */
export interface Clock {
  /** Looks at the machine's clocks. */
  read(): void;
  /** Since 1970; may be stepped by whoever sets the machine's clock. */
  now(): number;
  /** From any start, never stepped: leases are measured with it. */
  monotonic(): number;
  /** Since the machine was started, never stepped: it goes on while no process has the store open. */
  uptime(): number;
}

/** Longer than this between two clocks is a pause of the thread, not a reading. */
const maxReadMs = 5;
const maxReadings = 3;

/**
 * `offset` holds int64s of milliseconds: the first is added to all clocks at each reading, a second one to the wall clock
 * alone.
 */
export function createClock(offset: SharedArrayBuffer | undefined): Clock {
  const shared = new BigInt64Array(offset ?? new SharedArrayBuffer(0));
  const skew = (index: number) => (index < shared.length ? Number(Atomics.load(shared, index)) : 0);
  let [wall, monotonic, readAt, offsetMs] = [0, 0, 0, 0];

  const clock: Clock = {
    read() {
      // Once for all clocks: another thread may move it meanwhile, which must not look like a wall clock that was set.
      offsetMs = skew(0);
      for (let reading = 0; reading < maxReadings; reading++) {
        const before = performance.now();
        wall = Date.now() + offsetMs + skew(1);
        readAt = performance.now();
        if (readAt - before < maxReadMs) break;
      }
      monotonic = readAt + offsetMs;
    },
    now: () => wall,
    monotonic: () => monotonic,
    uptime: () => uptime() * 1000 + offsetMs - (performance.now() - readAt),
  };
  clock.read();
  return clock;
}
