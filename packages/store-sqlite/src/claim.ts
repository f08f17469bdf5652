import type { Leased } from "@event-ingestion/store";
import { type Query, query } from "./driver.ts";
import { type PayloadRow, checkedPayloadId, payloadColumns } from "./job-row.ts";
import { formatJobId } from "./job-id.ts";
import type { Area, Operations } from "./operations.ts";

/** What one claim hands out at most, by one job more or less: `max` says nothing about sizes. */
const maxClaimBytes = 16 * 1024 * 1024;
/** Roughly what a leased job occupies beside its payload. */
const overheadBytes = 512;

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
  file,
}: Area): Pick<Operations, "claim"> {
  const dueRows: Query<PayloadRow> = query(
    db,
    `SELECT ${payloadColumns} FROM job j LEFT JOIN body b USING(seq) WHERE j.run_at <= ? ORDER BY j.run_at LIMIT ?`,
  );
  const freshRows: Query<PayloadRow> = query(
    db,
    `SELECT ${payloadColumns} FROM job j LEFT JOIN body b USING(seq)
     WHERE j.seq > ? AND j.state = 1 AND j.run_at IS NULL ORDER BY j.seq LIMIT ?`,
  );
  const leaseFresh = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?
    WHERE seq > ? AND seq <= ? AND state = 1 AND run_at IS NULL`);
  const leaseDue = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?, run_at = NULL
    WHERE seq = ? AND state = 1`);

  const lease = (rows: readonly PayloadRow[], session: number) => {
    const fresh = rows.filter((row) => row.run_at === null);
    const last = fresh.at(-1);
    if (last !== undefined) leaseFresh.run(session, counters.get("cursor"), last.seq);
    if (fresh.length < rows.length) {
      for (const row of rows) if (row.run_at !== null) leaseDue.run(session, row.seq);
    }
  };

  return {
    claim({ id }, max) {
      const session = sessions.find(id);
      if (session === undefined || sessions.remainingMs(session) <= 0 || max < 1) return [];
      const due = dueRows.iterate(clock.now(), max);
      const fresh = freshRows.iterate(counters.get("cursor"), max + 1);
      const { rows, nextFresh } = takeOldest({ due, fresh, max, file });
      lease(rows, session.id);
      // Nothing fresh lies below the one that comes next; if none does, nothing fresh is left at all.
      counters.set("cursor", nextFresh === undefined ? counters.get("lastSeq") : nextFresh - 1);
      counters.moved(rows.length, { from: "QUEUED", to: "RUNNING" });
      const leased = rows.map(toLeased);
      for (const { jobId } of leased) changes.jobs.push(jobId);
      return leased;
    },
  };
}

/** The oldest of two runs of rows, each in the order of its due times, and the first fresh row that is left. */
function takeOldest(from: {
  due: IterableIterator<PayloadRow>;
  fresh: IterableIterator<PayloadRow>;
  max: number;
  file: string;
}): { rows: PayloadRow[]; nextFresh: number | undefined } {
  const due = peekable(from.due);
  const fresh = peekable(from.fresh);
  const rows: PayloadRow[] = [];
  let bytes = 0;
  while (rows.length < from.max && bytes < maxClaimBytes) {
    const isDueOlder = dueTime(due.head()) < dueTime(fresh.head());
    const row = isDueOlder ? due.take() : (fresh.take() ?? due.take());
    if (row === undefined) break;
    checkedPayloadId(row, from.file);
    bytes += row.payload.byteLength + overheadBytes;
    rows.push(row);
  }
  // An open iterator would read on while its rows are updated.
  from.due.return?.();
  from.fresh.return?.();
  return { rows, nextFresh: fresh.head()?.seq };
}

function dueTime(row: PayloadRow | undefined): number {
  return row === undefined ? Infinity : (row.run_at ?? row.at);
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

function toLeased(row: PayloadRow): Leased {
  return {
    jobId: formatJobId(row),
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
