import { type Database, query } from "../database/driver.ts";

/** The number of jobs with a `run_at`: kept up to date, because they may be too many to count often. */
export interface WaitingJobs {
  /** A job got such an instant. */
  entered(runAt: number): void;
  /** A job lost it, as it was claimed or ended. */
  left(runAt: number): void;
  /** The instants of many were moved: all are counted the next time. */
  forget(): void;
  /** Takes back all that comes after the snapshot when its result is called. */
  snapshot(): () => void;
  /** All of them, and those that are not due at `now`. Each is looked at once, when it becomes due. */
  count(now: number): { total: number; scheduled: number };
}

interface Known {
  readonly total: number;
  /** How many of them are due at `until`. */
  readonly due: number;
  readonly until: number;
}

/** Counts all the first time it is asked. */
export function createWaitingJobs(db: Database): WaitingJobs {
  const all = query<{ n: number }>(db, "SELECT count(*) AS n FROM job WHERE run_at IS NOT NULL");
  const between = query<{ n: number }>(db, "SELECT count(*) AS n FROM job WHERE run_at > ? AND run_at <= ?");
  let known: Known | undefined;

  const moved = (by: 1 | -1, runAt: number) => {
    if (known === undefined) return;
    const { total, due, until } = known;
    known = { total: total + by, due: runAt <= until ? due + by : due, until };
  };
  const counted = (now: number): Known => {
    const isFirst = known === undefined || now < known.until;
    const from = known === undefined || isFirst ? { total: all.get()?.n ?? 0, due: 0, until: -1 } : known;
    return { ...from, due: from.due + (between.get(from.until, now)?.n ?? 0), until: now };
  };

  return {
    entered: (runAt) => moved(1, runAt),
    left: (runAt) => moved(-1, runAt),
    forget: () => void (known = undefined),
    snapshot() {
      const then = known;
      return () => void (known = then);
    },
    count(now) {
      known = counted(now);
      return { total: known.total, scheduled: known.total - known.due };
    },
  };
}
