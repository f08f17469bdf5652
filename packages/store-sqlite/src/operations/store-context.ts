import type { Database } from "../database/driver.ts";
import type { Counters } from "../tables/counters.ts";
import type { Changes } from "./changes.ts";
import type { Clock } from "../time/clock.ts";
import type { IsolatedJobs } from "./isolated-jobs.ts";
import type { Sessions } from "./sessions.ts";
import type { SteadyTime } from "../time/steady-time.ts";
import type { WaitingJobs } from "../tables/waiting-jobs.ts";

/** What the operations of one store share. */
export interface StoreContext {
  readonly db: Database;
  /** How messages name the store. */
  readonly file: string;
  readonly clock: Clock;
  readonly steadyTime: SteadyTime;
  readonly counters: Counters;
  readonly changes: Changes;
  readonly sessions: Sessions;
  readonly isolatedJobs: IsolatedJobs;
  readonly waitingJobs: WaitingJobs;
}
