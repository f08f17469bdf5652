import type { Query, Statement } from "../database/connection.ts";

/** The database's clock was put forward. */
export interface Leap {
  /** What it showed right after. */
  at: number;
  ms: number;
}

/** What all servers know about the database's clock. Kept in the database. */
export interface ClockRecord {
  /** What it showed when a server last looked, to about a minute. */
  seen: number;
  /** By how much it was put forward since the store was made, less by how much it was put back. */
  setBy: number;
  /** By how much dues are ahead of it, so that none has to wait for a clock that was put back. At least 0. */
  leadMs: number;
  /** Newest last. Retention does not count them as time, nor that in which nobody looked. */
  leaps: readonly Leap[];
}

/** What the clock shows, with the record if there is one. */
export interface ClockReading {
  now: number;
  record: ClockRecord | undefined;
}

const read: Statement = {
  name: "read_clock",
  text: "SELECT ingest.clock() AS now, (SELECT v::json FROM ingest.meta WHERE k = 'clock') AS record",
};

/** One at a time, the first one too. */
const lock: Statement = { text: "SELECT pg_advisory_xact_lock(hashtextextended('ingest.record', 0))" };

const write: Statement = {
  text: "INSERT INTO ingest.meta VALUES ('clock', $1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
};

/** Moves the beginnings of listings along with a clock that was put back: a job that ended after one was redriven since. */
const moveListings: Statement = {
  text: "UPDATE ingest.day SET since = since + $1 WHERE stage IN ('listing', 'listed')",
};

/** Reads clock and record at one moment. */
export async function readClock(query: Query): Promise<ClockReading> {
  const [row] = await query<{ now: string; record: ClockRecord | null }>(read);
  if (row === undefined) throw new Error("no clock");
  return { now: Number(row.now), record: row.record ?? undefined };
}

/** Lets other servers wait until the end of the transaction. */
export async function lockRecord(query: Query): Promise<void> {
  await query(lock);
}

/** `setBy`: what the clock was set by since the record was read. */
export async function writeRecord(query: Query, record: ClockRecord, setBy: number): Promise<void> {
  await query(write, [JSON.stringify(record)]);
  if (setBy < 0) await query(moveListings, [Math.floor(setBy)]);
}
