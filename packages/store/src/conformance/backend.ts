import type { JobStore } from "../job-store.ts";

/** What an adapter gives the suite. */
export interface ConformanceBackend {
  /**
   * Opens the store of that name (letters, digits and dashes), empty when the name is new. The same name after `close`
   * opens the same data, unless `caps.durability` is "memory". Without `caps.exclusive` it may be open several times.
   */
  open(name: string): Promise<JobStore>;
  /** Lets at least that time pass on the engine's clock: moves the clock, or sleeps. */
  elapse(ms: number): Promise<void>;
  /**
   * The time that cases are built of: how long a lease that expires, a delay and a retention last. Long where `elapse`
   * moves a clock (3,600,000), so that no slow machine disturbs a case. Where it sleeps as short as can be (500), but
   * longer than a few calls together take.
   */
  spanMs: number;
}
