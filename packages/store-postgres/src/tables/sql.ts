/** The clock of the database, asked once a statement. Milliseconds since 1970. */
export const now = "(SELECT ingest.clock())";

/** The due time of a job that is due at once. `lead` is the parameter with the lead of due times over the clock. */
export function dueNow(lead: string): string {
  return `(SELECT ingest.clock() + ${lead}::int8)`;
}

/** Whether a row of queue is due. The time that a caller named, of a job that never ran, has no lead; others have. */
export function isDue(lead: string): string {
  return `run_at <= ${dueNow(lead)}
    AND (attempts > 0 OR run_at <= ${now} OR (lpad(to_hex(run_at), 12, '0') || repeat('0', 20))::uuid <= job_id)`;
}

/** Rows per counter. Each session counts in one of them, so that commits seldom wait for each other. */
const slots = 32;

/**
 * Adds to the exact counters what `rows` selects: metric (0: accepted; 3, 4, 5: jobs in that state) and number. Written
 * where nothing after it has to wait, so that nobody waits in a circle.
 */
export function addTally(rows: string): string {
  return `INSERT INTO ingest.tally (metric, slot, n)
      SELECT metric, pg_backend_pid() % ${slots}, n FROM (${rows}) AS r(metric, n) WHERE n <> 0 ORDER BY metric
      ON CONFLICT (metric, slot) DO UPDATE SET n = tally.n + excluded.n`;
}

/** Whether the text can be in the database at all. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
