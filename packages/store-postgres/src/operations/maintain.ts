import type { JobStore } from "@event-ingestion/store";
import { checkKeepMs, lossesBeforeIsolation } from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import type { Claims } from "./claim.ts";
import { type EndedRow, publishEnded, sink } from "./ending.ts";
import { createRetention } from "./retention.ts";
import { noStandby } from "../database/server-check.ts";

/** Jobs that one call takes from sessions that are over. */
const maxEnded = 5000;
/** A session that ended and holds nothing is forgotten after this; a claim that began in time is over by then. */
const forgetSessionMs = 600_000;

/** Skips sessions without jobs: enough of them would keep the others from being ended. */
const endSessions = {
  name: "end_sessions",
  text: `WITH x AS (
      SELECT session_id FROM ingest.session s WHERE expires_at <= $2
        AND EXISTS (SELECT FROM ingest.lease l WHERE l.session_id = s.session_id)
      ORDER BY session_id LIMIT 100 FOR UPDATE SKIP LOCKED),
    k AS (
      SELECT l.job_id FROM x JOIN ingest.lease l ON l.session_id = x.session_id ORDER BY l.job_id
      LIMIT ${maxEnded} FOR UPDATE OF l SKIP LOCKED),
    g AS (DELETE FROM ingest.lease WHERE job_id = ANY (ARRAY(SELECT job_id FROM k)) RETURNING *),
    v AS (
      SELECT job_id, attempts, max_attempts, (lost + 1)::int2 AS lost, bytes, 0::int8 AS delay_ms, 'worker lost'::text AS error,
        NULL::bytea AS result,
        (CASE WHEN cancel_requested THEN 5
          WHEN attempts >= max_attempts OR (lost >= ${lossesBeforeIsolation} AND lost + 1 >= $1::int) THEN 4 ELSE 1 END)::int2
          AS verdict
      FROM g),
    ${sink("$3")} SELECT job_id, verdict FROM v`,
};

const forgetSessions = {
  name: "forget_sessions",
  text: `DELETE FROM ingest.session s WHERE expires_at <= $1::int8 - ${forgetSessionMs}
    AND NOT EXISTS (SELECT FROM ingest.lease l WHERE l.session_id = s.session_id)`,
};

const standbyNames = {
  name: "standby_names",
  text: "SELECT trim(current_setting('synchronous_standby_names')) AS names",
};

/** Ends expired sessions, drops expired jobs, and creates the tables of the coming days. */
export function createMaintain(context: StoreContext, claims: Claims): Pick<JobStore, "maintain"> {
  const { caps, others, partitions, availability, hints, clock } = context;
  const prune = createRetention(context);

  /** Commits that wait for nobody any more are not what was promised when the store was opened. */
  const checkPromise = async () => {
    if (caps.durability !== "replica-fsync") return;
    const [row] = await others.query<{ names: string }>(standbyNames);
    if (row?.names !== "") return;
    const reason = noStandby("Postgres");
    availability.fail("closed", reason);
    throw reason;
  };

  return {
    async maintain({ workerLostLimit, keepMs }) {
      await checkPromise();
      await clock.check();
      await claims.takeBack();
      await claims.forgetEnded();
      await partitions.ensure();
      const ended = await others.query<EndedRow>(
        endSessions,
        [workerLostLimit, clock.steady(), clock.leadMs],
        "commits",
      );
      publishEnded(hints, ended);
      if (ended.length === 0) await others.query(forgetSessions, [clock.steady()], "commits");
      checkKeepMs(keepMs);
      const { pruned, more } = await prune(keepMs);
      return {
        requeued: ended.filter(({ verdict }) => verdict === 1).length,
        died: ended.filter(({ verdict }) => verdict === 4).length,
        pruned,
        more: more || ended.length === maxEnded,
      };
    },
  };
}
