import { lossesBeforeIsolation } from "@event-ingestion/store";
import type { Clock } from "../time/clock.ts";
import { type Database, query } from "../database/driver.ts";

/** The jobs that must run alone, because too many of their workers were lost. */
export interface IsolatedJobs {
  /** The `seq` of the one that has been due for longest. */
  due(): number | undefined;
  isHeldBy(session: number): boolean;
}

/** The isolated jobs of the database. */
export function createIsolatedJobs(db: Database, clock: Clock): IsolatedJobs {
  // The index is empty but for such jobs, so an answer costs next to nothing.
  const lone = `FROM job INDEXED BY job_alone WHERE lost >= ${lossesBeforeIsolation}`;
  const oldest = query<{ seq: number }>(
    db,
    `SELECT seq ${lone} AND session IS NULL AND run_at <= ? ORDER BY run_at LIMIT 1`,
  );
  const held = query(db, `SELECT 1 ${lone} AND session = ? LIMIT 1`);

  return {
    due: () => oldest.get(clock.now())?.seq,
    isHeldBy: (session) => held.get(session) !== undefined,
  };
}
