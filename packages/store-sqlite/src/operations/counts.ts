import { query } from "../database/driver.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** The state of the whole store in numbers. Numbers of many rows are kept in counters, not counted each time. */
export function createCounts({
  db,
  clock,
  counters,
  sessions,
  waitingJobs,
}: StoreContext): Pick<Operations, "counts"> {
  const oldestDue = query<{ at: number | null }>(db, "SELECT min(run_at) AS at FROM job WHERE run_at <= ?");
  const firstFresh = query<{ seq: number; at: number }>(
    db,
    "SELECT seq, at FROM job WHERE seq > ? AND state = 1 AND run_at IS NULL ORDER BY seq LIMIT 1",
  );
  const heldBy = query<{ session: number; held: number }>(
    db,
    "SELECT session, count(*) AS held FROM job WHERE session IS NOT NULL GROUP BY session",
  );

  /** When the oldest of so many jobs that never waited was accepted. What was passed by is not looked at again. */
  const oldestFresh = (count: number): number => {
    if (count === 0) return Infinity;
    const first = firstFresh.get(counters.get("cursor"));
    if (first !== undefined) counters.set("cursor", first.seq - 1);
    return first?.at ?? Infinity;
  };

  return {
    counts() {
      const asOf = clock.now();
      const { total, scheduled } = waitingJobs.count(asOf);
      const held = new Map(heldBy.all().map((row) => [row.session, row.held]));
      const oldestReadyAt = Math.min(
        oldestDue.get(asOf)?.at ?? Infinity,
        oldestFresh(counters.get("QUEUED") - total),
      );
      return {
        byState: {
          QUEUED: counters.get("QUEUED"),
          RUNNING: counters.get("RUNNING"),
          SUCCEEDED: counters.get("SUCCEEDED"),
          DEAD: counters.get("DEAD"),
          CANCELLED: counters.get("CANCELLED"),
        },
        scheduled,
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
