import { failuresBefore, maxClaimBytes } from "@event-ingestion/store";
import { type Query, query } from "../database/driver.ts";
import { type LeasedColumns, columnsOver, joined, pushEvent } from "./event-columns.ts";
import { type HeadRow, checkPayload, checkedId, headColumns } from "../tables/job-row.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** Roughly what a leased job occupies beside its payload. */
const overheadBytes = 512;
/** The most jobs in one claim: more would exceed its limit of bytes even without payloads. */
const maxJobs = Math.ceil(maxClaimBytes / overheadBytes);

interface ClaimRow extends HeadRow {
  payload_bytes: number;
  attempts: number;
  max_attempts: number;
  run_at: number | null;
}

const selectClaim = `SELECT ${headColumns}, length(b.payload) AS payload_bytes, j.attempts, j.max_attempts, j.run_at
  FROM job j LEFT JOIN body b USING(seq)`;

/**
 * Hands out due jobs. Fresh jobs lie above the cursor in the order of their acceptance: their payloads are read in one piece, and
 * one statement leases them. Jobs with a `run_at` are few and come from an index of their own.
 */
export function createClaim({
  db,
  clock,
  counters,
  changes,
  sessions,
  isolatedJobs,
  waitingJobs,
  file,
}: StoreContext): Pick<Operations, "claim"> {
  const bySeq: Query<ClaimRow> = query(db, `${selectClaim} WHERE j.seq = ?`);
  const dueRows: Query<ClaimRow> = query(db, `${selectClaim} WHERE j.run_at <= ? ORDER BY j.run_at LIMIT ?`);
  const freshRows: Query<ClaimRow> = query(
    db,
    `${selectClaim} WHERE j.seq > ? AND j.state = 1 AND j.run_at IS NULL ORDER BY j.seq LIMIT ?`,
  );
  const payloadOf = query<{ payload: Uint8Array }>(db, "SELECT payload FROM body WHERE seq = ?");
  // Concatenation keeps all bytes; CROSS JOIN keeps the order. The checksum of each payload is compared after.
  const freshPayloads = query<{ payloads: Uint8Array | null }>(
    db,
    `SELECT CAST(group_concat(b.payload, '') AS BLOB) AS payloads FROM job j CROSS JOIN body b USING(seq)
     WHERE j.seq > ? AND j.seq <= ? AND j.state = 1 AND j.run_at IS NULL`,
  );
  const leaseFresh = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?
    WHERE seq > ? AND seq <= ? AND state = 1 AND run_at IS NULL`);
  const leaseDue = db.prepare(`UPDATE job SET state = 2, attempts = attempts + 1, session = ?, run_at = NULL
    WHERE seq = ? AND state = 1`);

  const lease = ({ due, fresh }: Picked, session: number): LeasedColumns => {
    const payloads = due.map(({ seq }) => payloadOf.get(seq)?.payload ?? new Uint8Array());
    const freshEnd = fresh.at(-1)?.seq;
    if (freshEnd !== undefined) {
      const cursor = counters.get("cursor");
      payloads.push(freshPayloads.get(cursor, freshEnd)?.payloads ?? new Uint8Array());
      leaseFresh.run(session, cursor, freshEnd);
    }
    for (const { seq, run_at: runAt } of due) {
      leaseDue.run(session, seq);
      if (runAt !== null) waitingJobs.left(runAt);
    }
    const [only = new Uint8Array()] = payloads;
    const leased = toColumns([...due, ...fresh], payloads.length > 1 ? joined(payloads) : only, file);
    counters.moved(leased.jobIds.length, { from: "QUEUED", to: "RUNNING" });
    for (const jobId of leased.jobIds) changes.jobs.push(jobId);
    return leased;
  };

  const claimAlone = (seq: number, session: number): LeasedColumns => {
    const row = bySeq.get(seq);
    if (row === undefined || !sessions.isEmpty(session)) return nothing();
    // The other sessions waited for this.
    changes.work = true;
    return lease({ due: [row], fresh: [] }, session);
  };

  const claimOldest = (max: number, session: number): LeasedColumns => {
    const now = clock.now();
    const fresh = freshRows.all(counters.get("cursor"), max + 1);
    const picked = pickOldest({ due: dueRows.all(now, max), fresh, max, now });
    const leased = lease(picked, session);
    // Nothing fresh lies below the one that comes next; if none does, nothing fresh is left at all.
    const next = fresh[picked.fresh.length];
    counters.set("cursor", next === undefined ? counters.get("lastSeq") : next.seq - 1);
    return leased;
  };

  return {
    claim({ id }, max) {
      const session = sessions.find(id);
      if (session === undefined || sessions.remainingMs(session) <= 0 || max < 1) return nothing();
      if (isolatedJobs.isHeldBy(session.id)) return nothing();
      const alone = isolatedJobs.due();
      if (alone !== undefined) return claimAlone(alone, session.id);
      return claimOldest(Math.min(max, maxJobs), session.id);
    },
  };
}

interface Picked {
  /** Rows that had a `run_at`. */
  due: readonly ClaimRow[];
  /** Rows that had none: all from the first on. */
  fresh: readonly ClaimRow[];
}

/** Merges two lists of rows, each sorted by due time, and takes the oldest. */
function pickOldest({ due, fresh, max, now }: Picked & { max: number; now: number }): Picked {
  let [dueCount, freshCount, bytes] = [0, 0, 0];
  while (dueCount + freshCount < max && bytes < maxClaimBytes) {
    const [nextDue, nextFresh] = [due[dueCount], fresh[freshCount]];
    const row = dueTime(nextDue) < freshSince(nextFresh, now) ? nextDue : nextFresh;
    if (row === undefined) break;
    if (row === nextDue) dueCount++;
    else freshCount++;
    bytes += row.payload_bytes + overheadBytes;
  }
  return { due: due.slice(0, dueCount), fresh: fresh.slice(0, freshCount) };
}

function dueTime(row: ClaimRow | undefined): number {
  return row?.run_at ?? Infinity;
}

/** Since when a fresh job waits. A job accepted while the clock was ahead must not wait until the clock gets there again. */
function freshSince(row: ClaimRow | undefined, now: number): number {
  if (row === undefined) return Infinity;
  return row.at <= now ? row.at : 0;
}

/** @throws StoreError corrupt, naming file and row */
function toColumns(rows: readonly ClaimRow[], payloads: Uint8Array, file: string): LeasedColumns {
  const leased: LeasedColumns = { ...nothing(), events: columnsOver(payloads) };
  let end = 0;
  for (const row of rows) {
    leased.jobIds.push(checkedId(row, file));
    checkPayload(row, payloads.subarray(end, (end += row.payload_bytes)), file);
    const { tenant, event_id: eventId, type, event_ts: timestamp, max_attempts: maxAttempts, trace } = row;
    const attempt = row.attempts + 1;
    leased.attempts.push(attempt);
    leased.failures.push(failuresBefore(attempt, { maxAttempts, budget: row.budget }));
    leased.acceptedAts.push(row.at);
    pushEvent(leased.events, { tenant, eventId, type, timestamp, maxAttempts, runAt: null, trace }, end);
  }
  return leased;
}

const nothing = (): LeasedColumns => ({
  jobIds: [],
  attempts: [],
  failures: [],
  acceptedAts: [],
  events: columnsOver(new Uint8Array()),
});
