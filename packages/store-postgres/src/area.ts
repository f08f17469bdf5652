import type { Caps, Hints } from "@event-ingestion/store";
import type { Days } from "./days.ts";
import type { Gate } from "./gate.ts";
import type { Pool } from "./pool.ts";

/** What the calls of one store share. */
export interface Area {
  readonly caps: Caps;
  /** For appends only: so many connections, so many commits under way. */
  readonly writers: Pool;
  /** For everything else. */
  readonly others: Pool;
  readonly gate: Gate;
  readonly days: Days;
  readonly hints: Hints;
}
