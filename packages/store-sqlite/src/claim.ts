import { type JobId, type Leased, maxClaimBytes } from "@event-ingestion/store";
import { type Query, query } from "./driver.ts";
import { type PayloadRow, checkedPayloadId, headColumns } from "./job-row.ts";
import type { Area, Operations } from "./operations.ts";

/** Roughly what a leased job occupies beside its payload. */
const overheadBytes = 512;

interface ClaimRow extends PayloadRow {
  attempts: number;
  max_attempts: number;
  run_at: number | null;
}

const claimColumns = `${headColumns}, b.payload, j.attempts, j.max_attempts, j.run_at`;

/**
 * Hands out due jobs. Fresh ones lie above the cursor in the order of their acceptance and are leased by one statement;
 * those with a `run_at` are few and come from their own index.
 */
export function createClaim({
  db,
  clock,
  counters,
  changes,
  sessions,
  loneJobs,
  file,
}: Area): Pick<Operations, "claim"> {
  const bySeq: Query<ClaimRow> = query(
    db,
    `SELECT ${claimColumns} FROM job j LEFT JOIN body b USING(seq) WHERE j.seq = ?`,
  );
  const dueRows: Query<ClaimRow> = query(
    db,
    `SELECT ${claimColumns} FROM job j LEFT JOIN body b USING(seq) WHERE j.run_at <= ? ORDER BY j.run_at LIMIT ?`,
  );
  const freshRows: Query<ClaimRow> = query(
    db,
    `SELECT ${claimColumns} FROM job j LEFT JOIN body b USING(seq)
     WHERE j.seq > ? AND j.state = 1 AND j.run_at IS NULL ORDER BY j.seq LIMIT ?`,
  );
  const leaseFresh = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?
    WHERE seq > ? AND seq <= ? AND state = 1 AND run_at IS NULL`);
  const leaseDue = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?, run_at = NULL
    WHERE seq = ? AND state = 1`);

  const lease = ({ freshEnd, due }: Picked, session: number) => {
    if (freshEnd !== undefined) leaseFresh.run(session, counters.get("cursor"), freshEnd);
    for (const seq of due) leaseDue.run(session, seq);
  };

  const claimAlone = (seq: number, session: number): Leased[] => {
    const row = bySeq.get(seq);
    if (row === undefined || !sessions.isEmpty(session)) return [];
    const jobId = checkedPayloadId(row, file);
    leaseDue.run(session, seq);
    counters.moved(1, { from: "QUEUED", to: "RUNNING" });
    changes.jobs.push(jobId);
    // The other sessions waited for this.
    changes.work = true;
    return [toLeased(row, jobId)];
  };

  return {
    claim({ id }, max) {
      const session = sessions.find(id);
      if (session === undefined || sessions.remainingMs(session) <= 0 || max < 1) return [];
      if (loneJobs.isHeldBy(session.id)) return [];
      const alone = loneJobs.due();
      if (alone !== undefined) return claimAlone(alone, session.id);
      const now = clock.now();
      const picked = pickOldest({
        due: dueRows.iterate(now, max),
        fresh: freshRows.iterate(counters.get("cursor"), max + 1),
        max,
        now,
        file,
      });
      lease(picked, session.id);
      // Nothing fresh lies below the one that comes next; if none does, nothing fresh is left at all.
      const { leased, nextFresh } = picked;
      counters.set("cursor", nextFresh === undefined ? counters.get("lastSeq") : nextFresh - 1);
      counters.moved(leased.length, { from: "QUEUED", to: "RUNNING" });
      for (const { jobId } of leased) changes.jobs.push(jobId);
      return leased;
    },
  };
}

interface Picked {
  leased: Leased[];
  /** Rows that had a `run_at`. */
  due: number[];
  /** The last of the fresh rows, all of which were picked up to it. */
  freshEnd: number | undefined;
  /** The first fresh row that was not. */
  nextFresh: number | undefined;
}

/** The oldest of two runs of rows, each in the order of its due times. */
function pickOldest(from: {
  due: IterableIterator<ClaimRow>;
  fresh: IterableIterator<ClaimRow>;
  max: number;
  now: number;
  file: string;
}): Picked {
  const due = peekable(from.due);
  const fresh = peekable(from.fresh);
  const picked: Picked = { leased: [], due: [], freshEnd: undefined, nextFresh: undefined };
  let bytes = 0;
  while (picked.leased.length < from.max && bytes < maxClaimBytes) {
    const isDueOlder = (due.head()?.run_at ?? Infinity) < freshSince(fresh.head(), from.now);
    const row = isDueOlder ? due.take() : (fresh.take() ?? due.take());
    if (row === undefined) break;
    picked.leased.push(toLeased(row, checkedPayloadId(row, from.file)));
    if (row.run_at === null) picked.freshEnd = row.seq;
    else picked.due.push(row.seq);
    bytes += row.payload.byteLength + overheadBytes;
  }
  picked.nextFresh = fresh.head()?.seq;
  // An open iterator would read on while its rows are updated.
  from.due.return?.();
  from.fresh.return?.();
  return picked;
}

/** Since when a fresh job waits. One that was accepted by a clock that was ahead must not wait until it is right again. */
function freshSince(row: ClaimRow | undefined, now: number): number {
  if (row === undefined) return Infinity;
  return row.at <= now ? row.at : 0;
}

interface Peekable<T> {
  head(): T | undefined;
  take(): T | undefined;
}

function peekable<T>(items: Iterator<T>): Peekable<T> {
  const pull = (): T | undefined => {
    const { done, value } = items.next();
    return done === true ? undefined : value;
  };
  let head = pull();
  return {
    head: () => head,
    take() {
      const taken = head;
      head = pull();
      return taken;
    },
  };
}

function toLeased(row: ClaimRow, jobId: JobId): Leased {
  return {
    jobId,
    attempt: row.attempts + 1,
    acceptedAt: row.at,
    event: {
      tenant: row.tenant,
      eventId: row.event_id,
      type: row.type,
      payload: row.payload,
      timestamp: BigInt(row.event_ts),
      maxAttempts: row.max_attempts,
      ...(row.trace !== null && { trace: row.trace }),
    },
  };
}
