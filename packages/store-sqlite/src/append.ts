import { type Appended, type NewEvent, checkBatch, findViolation } from "@event-ingestion/store";
import { createBodyWriter } from "./body.ts";
import { type Query, query } from "./driver.ts";
import { formatJobId, randomSalt } from "./job-id.ts";
import { type PayloadRow, checkedPayloadId, headColumns } from "./job-row.ts";
import { limits } from "./limits.ts";
import type { Area, Operations } from "./operations.ts";

/** How far acceptance times may be ahead of the clock. */
export const maxLeadMs: number = 60_000;

/** Accepts events: key, job and queue entry are one row, so nothing can hold one without the others. */
export function createAppend({
  db,
  clock,
  counters,
  changes,
  file,
}: Area): Pick<Operations, "append" | "lookup"> {
  const insertJob = db.prepare(`INSERT INTO job(seq, at, salt, max_attempts, run_at, tenant, event_id)
    VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(event_id, tenant) DO NOTHING`);
  const writeBody = createBodyWriter(db);
  const byKey: Query<PayloadRow> = query(
    db,
    `SELECT ${headColumns}, b.payload FROM job j LEFT JOIN body b USING(seq) WHERE j.event_id = ? AND j.tenant = ?`,
  );

  const known = (event: NewEvent): Appended | null => {
    const row = byKey.get(event.eventId, event.tenant);
    if (row === undefined) return null;
    const jobId = checkedPayloadId(row, file);
    const same = row.type === event.type && Buffer.compare(row.payload, event.payload) === 0;
    return { outcome: same ? "DUPLICATE" : "CONFLICT", jobId };
  };

  /** A small step back is not followed, so that ids sort as they were given out; a larger one puts a wrong clock right. */
  const acceptanceTime = (now: number): number => {
    const lastAt = counters.get("lastAt");
    return lastAt - now <= maxLeadMs ? Math.max(now, lastAt) : now;
  };

  const insert = (event: NewEvent, { at, now }: { at: number; now: number }): Appended => {
    const { tenant, eventId, maxAttempts } = event;
    const seq = counters.get("lastSeq") + 1;
    const salt = randomSalt();
    const runAt = laterThan(now, event.runAt);
    const { changes: inserted } = insertJob.run(seq, at, salt, maxAttempts, runAt, tenant, eventId);
    if (inserted === 0) {
      const first = known(event);
      if (first === null) throw new Error("an event id conflicts with no job");
      return first;
    }
    const jobId = formatJobId({ at, seq, salt });
    writeBody(seq, jobId, event);
    counters.set("lastSeq", seq);
    if (runAt === null) changes.work = true;
    else changes.nextDueAt = Math.min(changes.nextDueAt, runAt);
    return { outcome: "ACCEPTED", jobId };
  };

  return {
    append(batch) {
      checkBatch(batch, limits);
      const now = clock.now();
      const at = acceptanceTime(now);
      const before = counters.get("lastSeq");
      const appended = batch.map((event) => insert(event, { at, now }));
      const accepted = counters.get("lastSeq") - before;
      if (accepted > 0) {
        if (at < counters.get("lastAt")) counters.set("orderedSeq", before + 1);
        counters.set("lastAt", at);
        counters.moved(accepted, { to: "QUEUED" });
      }
      return appended;
    },
    lookup: (batch) =>
      batch.map((event) => (findViolation(event, limits) === undefined ? known(event) : null)),
  };
}

/** A `runAt` that has passed is no reason to wait, so such a job joins the others in their order. */
function laterThan(now: number, runAt: number | undefined): number | null {
  return runAt === undefined || runAt <= now ? null : Math.ceil(runAt);
}
