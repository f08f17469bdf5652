import { randomUUID } from "node:crypto";
import { checkTtl, type JobId, type JobStore } from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { releaseLeases } from "./claim.ts";
import { publishEnded } from "./ending.ts";
import { isUuid } from "../tables/job-id.ts";

const open = {
  name: "open_session",
  text: `INSERT INTO ingest.session (session_id, worker, expires_at) VALUES ($1, $2, $3)`,
};

/** No row: lost. */
const extend = {
  name: "heartbeat",
  text: `UPDATE ingest.session SET expires_at = $2 WHERE session_id = $1 AND expires_at > $3
    RETURNING ARRAY(SELECT job_id FROM ingest.lease WHERE session_id = $1 AND cancel_requested ORDER BY job_id) AS cancelled`,
};

/** Waits for claims under way, so that the next statement sees what they took; later ones find no session. */
const end = { name: "end_session", text: "DELETE FROM ingest.session WHERE session_id = $1" };

/** Sessions as their holders see them. `expires_at` is in steady time: see `Clock`. */
export function createSessions({
  others,
  hints,
  clock,
}: StoreContext): Pick<JobStore, "openSession" | "heartbeat" | "closeSession"> {
  return {
    async openSession(worker, ttlMs) {
      checkTtl(ttlMs);
      const id = randomUUID();
      await others.query(
        open,
        [id, worker.replaceAll("\0", "").toWellFormed(), clock.steady() + ttlMs],
        "commits",
      );
      return { id, ttlMs };
    },
    async heartbeat({ id, ttlMs }) {
      const rows = isUuid(id)
        ? await others.query<{ cancelled: JobId[] }>(
            extend,
            [id, clock.steady() + ttlMs, clock.steady()],
            "commits",
          )
        : [];
      const [row] = rows;
      return { lost: row === undefined, cancelRequested: row?.cancelled ?? [] };
    },
    async closeSession({ id }) {
      if (!isUuid(id)) return;
      const ended = await others.transaction(async (query) => {
        await query(end, [id]);
        return releaseLeases(query, { session: id, claim: null, leadMs: clock.leadMs });
      });
      publishEnded(hints, ended);
    },
  };
}
