import type { Caps, Hints } from "@event-ingestion/store";
import type { Clock } from "../time/clock.ts";
import type { Partitions } from "../tables/partitions.ts";
import type { Availability } from "../database/availability.ts";
import type { Pool } from "../database/pool.ts";

/** What the calls of one store share. */
export interface StoreContext {
  readonly caps: Caps;
  /** For appends only: so many connections, so many commits under way. */
  readonly writers: Pool;
  /** For everything else. */
  readonly others: Pool;
  readonly availability: Availability;
  readonly partitions: Partitions;
  readonly hints: Hints;
  readonly clock: Clock;
}
