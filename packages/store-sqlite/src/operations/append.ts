import type { Appended, JobId } from "@event-ingestion/store";
import { createBodyWriter } from "../tables/body-writer.ts";
import { type Query, type Value, maxInsertRows, prepareInsert, query } from "../database/driver.ts";
import { packAppended, unpackEvents } from "./event-columns.ts";
import type { PlainEvent } from "../tables/plain-event.ts";
import { formatJobId, randomSalt } from "../tables/job-id.ts";
import { type PayloadRow, checkedPayloadId, headColumns } from "../tables/job-row.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** How far acceptance times may be ahead of the clock. */
export const maxLeadMs: number = 60_000;

/** Accepts events: key, job and queue entry are one row, so nothing can hold one without the others. */
export function createAppend({
  db,
  clock,
  counters,
  changes,
  waitingJobs,
  file,
}: StoreContext): Pick<Operations, "append" | "lookup"> {
  const insertJobs = prepareInsert(db, {
    into: "job",
    columns: ["seq", "at", "salt", "max_attempts", "run_at", "tenant", "event_id"],
    onConflict: "ON CONFLICT(event_id, tenant) DO NOTHING",
  });
  const writeBodies = createBodyWriter(db);
  const seqsFrom = query<{ seq: number }>(db, "SELECT seq FROM job WHERE seq >= ?");
  const byKey: Query<PayloadRow> = query(
    db,
    `SELECT ${headColumns}, b.payload FROM job j LEFT JOIN body b USING(seq) WHERE j.event_id = ? AND j.tenant = ?`,
  );

  const known = ({ tenant, eventId, type, payload }: PlainEvent): Appended | null => {
    const row = byKey.get(eventId, tenant);
    if (row === undefined) return null;
    const jobId = checkedPayloadId(row, file);
    const same = row.type === type && Buffer.compare(row.payload, payload) === 0;
    return { outcome: same ? "DUPLICATE" : "CONFLICT", jobId };
  };

  /** A small step back is not followed, so that ids sort as they were given out; a larger one puts a wrong clock right. */
  const acceptanceTime = (now: number): number => {
    const lastAt = counters.get("lastAt");
    return lastAt - now <= maxLeadMs ? Math.max(now, lastAt) : now;
  };

  /** Which of them are in the table now, by `seq`: not those whose event is known. */
  const insert = (jobs: readonly NewJob[], at: number): ReadonlySet<number> => {
    const values: Value[] = [];
    for (const { seq, salt, runAt, event } of jobs) {
      values.push(seq, at, salt, event.maxAttempts, runAt, event.tenant, event.eventId);
    }
    const isAll = insertJobs(values) === jobs.length;
    return new Set((isAll ? jobs : seqsFrom.all(jobs[0]?.seq ?? 0)).map(({ seq }) => seq));
  };

  /** At most `maxInsertRows` events. One that is known leaves a gap in `seq`. */
  const appendRun = (events: readonly PlainEvent[], { at, now }: { at: number; now: number }): Appended[] => {
    const first = counters.get("lastSeq") + 1;
    const jobs = events.map((event, index): NewJob => {
      const [seq, salt] = [first + index, randomSalt()];
      const jobId = formatJobId({ at, seq, salt });
      return { seq, salt, jobId, runAt: laterThan(now, event.runAt), event };
    });
    const inserted = insert(jobs, at);
    const accepted = jobs.filter(({ seq }) => inserted.has(seq));
    const last = accepted.at(-1);
    if (last !== undefined) {
      writeBodies(accepted);
      counters.set("lastSeq", last.seq);
    }
    for (const { runAt } of accepted) {
      if (runAt === null) {
        changes.work = true;
        continue;
      }
      changes.nextDueAt = Math.min(changes.nextDueAt, runAt);
      waitingJobs.entered(runAt);
    }
    counters.moved(accepted.length, { to: "QUEUED" });
    return jobs.map(({ seq, jobId, event }) => {
      const answer = inserted.has(seq) ? ({ outcome: "ACCEPTED", jobId } as const) : known(event);
      if (answer === null) throw new Error("an event id conflicts with no job");
      return answer;
    });
  };

  return {
    append(columns) {
      const now = clock.now();
      const at = acceptanceTime(now);
      const before = counters.get("lastSeq");
      const appended: Appended[] = [];
      for (let start = 0; start < columns.ends.length; start += maxInsertRows) {
        appended.push(...appendRun(unpackEvents(columns, start, start + maxInsertRows), { at, now }));
      }
      if (counters.get("lastSeq") > before) {
        if (at < counters.get("lastAt")) counters.set("orderedSeq", before + 1);
        counters.set("lastAt", at);
      }
      return packAppended(appended);
    },
    lookup: (columns) => unpackEvents(columns).map(known),
  };
}

interface NewJob {
  seq: number;
  salt: number;
  jobId: JobId;
  runAt: number | null;
  event: PlainEvent;
}

/** A job whose `runAt` has passed need not wait, so it joins the other jobs in order. */
function laterThan(now: number, runAt: number | null): number | null {
  return runAt === null || runAt <= now ? null : Math.ceil(runAt);
}
