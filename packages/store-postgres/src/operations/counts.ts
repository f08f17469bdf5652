import type { Counts, JobStore } from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { isDue, now } from "../tables/sql.ts";

interface CountsRow {
  now: string;
  accepted: string | null;
  succeeded: string | null;
  dead: string | null;
  cancelled: string | null;
  running: string;
  scheduled: string;
  oldest: string | null;
  workers: Counts["workers"];
}

/**
 * One statement, hence one snapshot. QUEUED is computed as the rest, so that a long queue need not be counted. Leases are
 * read once as a whole, because no index has the jobs of a session.
 */
const count = {
  name: "counts",
  text: `WITH h AS MATERIALIZED (SELECT session_id, count(*) AS held FROM ingest.lease GROUP BY session_id)
    SELECT ${now} AS now, t.*, (SELECT coalesce(sum(held), 0) FROM h) AS running,
      (SELECT count(*) FROM ingest.queue WHERE run_at > ${now} AND NOT (${isDue("$2")})) AS scheduled,
      (SELECT least(run_at, ${now}) FROM ingest.queue WHERE ${isDue("$2")} ORDER BY run_at LIMIT 1) AS oldest,
      (SELECT coalesce(json_agg(json_build_object('worker', s.worker, 'expiresAt', s.expires_at - $1::int8 + ${now}, 'held', coalesce(h.held, 0))
        ORDER BY s.worker), '[]')
        FROM ingest.session s LEFT JOIN h ON h.session_id = s.session_id WHERE s.expires_at > $1) AS workers
    FROM (SELECT sum(n) FILTER (WHERE metric = 0) AS accepted, sum(n) FILTER (WHERE metric = 3) AS succeeded,
      sum(n) FILTER (WHERE metric = 4) AS dead, sum(n) FILTER (WHERE metric = 5) AS cancelled FROM ingest.tally) t`,
};

/** `counts` of the port. */
export function createCounts({ others, clock }: StoreContext): Pick<JobStore, "counts"> {
  return {
    async counts() {
      const [row] = await others.query<CountsRow>(count, [clock.steady(), clock.leadMs]);
      if (row === undefined) throw new Error("no counts");
      const [accepted, SUCCEEDED, DEAD, CANCELLED, RUNNING] = [
        Number(row.accepted),
        Number(row.succeeded),
        Number(row.dead),
        Number(row.cancelled),
        Number(row.running),
      ];
      const QUEUED = accepted - SUCCEEDED - DEAD - CANCELLED - RUNNING;
      return {
        byState: { QUEUED, RUNNING, SUCCEEDED, DEAD, CANCELLED },
        scheduled: Number(row.scheduled),
        ...(row.oldest !== null && { oldestReadyAt: Number(row.oldest) }),
        asOf: Number(row.now),
        workers: row.workers,
      };
    },
  };
}
