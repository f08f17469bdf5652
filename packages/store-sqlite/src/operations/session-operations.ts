import { checkTtl } from "@event-ingestion/store";
import { type Query, query } from "../database/driver.ts";
import { type EndAttempt, type Ending, type RunningRow, runningColumns } from "./ending.ts";
import { formatJobId } from "../tables/job-id.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** Sessions as their holders see them. */
export function createSessionOperations(
  { db, sessions }: StoreContext,
  endAttempts: EndAttempts,
): Pick<Operations, "openSession" | "heartbeat" | "closeSession"> {
  const toCancel: Query<RunningRow> = query(
    db,
    `SELECT ${runningColumns} FROM job WHERE session = ? AND cancel = 1 ORDER BY seq`,
  );
  return {
    openSession(worker, ttlMs, home = "process") {
      checkTtl(ttlMs);
      return { id: sessions.open({ worker, ttlMs, remote: home === "remote" }), ttlMs };
    },
    heartbeat({ id }) {
      const session = sessions.find(id);
      if (session === undefined || sessions.remainingMs(session) <= 0)
        return { lost: true, cancelRequested: [] };
      sessions.extend(session);
      return { lost: false, cancelRequested: toCancel.all(session.id).map(formatJobId) };
    },
    closeSession({ id }) {
      const session = sessions.find(id);
      if (session === undefined) return;
      endAttempts(session.id, { as: "release" });
      sessions.remove(session);
    },
  };
}

/** Ends what a session holds, at most `max` jobs, the same way, and counts where they went. */
export type EndAttempts = (
  session: number,
  ending: Ending,
  max?: number,
) => { requeued: number; died: number; total: number };

/** Ends all attempts that a session holds. */
export function createEndAttempts({ db }: StoreContext, endAttempt: EndAttempt): EndAttempts {
  const held: Query<RunningRow> = query(
    db,
    `SELECT ${runningColumns} FROM job WHERE session = ? ORDER BY seq LIMIT ?`,
  );
  return (session, ending, max = Number.MAX_SAFE_INTEGER) => {
    const ends = held.all(session, max).map((job) => endAttempt(job, ending));
    return {
      requeued: ends.filter((state) => state === "QUEUED").length,
      died: ends.filter((state) => state === "DEAD").length,
      total: ends.length,
    };
  };
}
