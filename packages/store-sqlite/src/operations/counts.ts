import { query } from "../database/driver.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** The state of the whole store in numbers; those by state are kept, not counted. */
export function createCounts({ db, clock, counters, sessions }: StoreContext): Pick<Operations, "counts"> {
  const scheduled = query<{ n: number }>(db, "SELECT count(*) AS n FROM job WHERE run_at > ?");
  const oldestDue = query<{ at: number | null }>(db, "SELECT min(run_at) AS at FROM job WHERE run_at <= ?");
  const oldestFresh = query<{ at: number }>(
    db,
    "SELECT at FROM job WHERE seq > ? AND state = 1 AND run_at IS NULL ORDER BY seq LIMIT 1",
  );
  const heldBy = query<{ session: number; held: number }>(
    db,
    "SELECT session, count(*) AS held FROM job WHERE session IS NOT NULL GROUP BY session",
  );

  return {
    counts() {
      const asOf = clock.now();
      const held = new Map(heldBy.all().map((row) => [row.session, row.held]));
      const oldestReadyAt = Math.min(
        oldestDue.get(asOf)?.at ?? Infinity,
        oldestFresh.get(counters.get("cursor"))?.at ?? Infinity,
      );
      return {
        byState: {
          QUEUED: counters.get("QUEUED"),
          RUNNING: counters.get("RUNNING"),
          SUCCEEDED: counters.get("SUCCEEDED"),
          DEAD: counters.get("DEAD"),
          CANCELLED: counters.get("CANCELLED"),
        },
        scheduled: scheduled.get(asOf)?.n ?? 0,
        ...(Number.isFinite(oldestReadyAt) && { oldestReadyAt: Math.min(oldestReadyAt, asOf) }),
        asOf,
        workers: sessions.all().map((session) => ({
          worker: session.worker,
          held: held.get(session.id) ?? 0,
          expiresAt: Math.round(asOf + sessions.remainingMs(session)),
        })),
      };
    },
  };
}
