import type { Job, JobId } from "@event-ingestion/store";
import { type Query, query } from "../database/driver.ts";
import { isIdOf, parseJobId } from "../tables/job-id.ts";
import {
  type HeadRow,
  type JobRow,
  type PayloadRow,
  checkedId,
  checkedPayloadId,
  headColumns,
  jobColumns,
  toJob,
} from "../tables/job-row.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** A failed attempt. */
export interface ErrorRow {
  attempt: number;
  at: number;
  error: string;
}

/** The failures of a job, oldest first. */
export const errorsOfJob = "SELECT attempt, at, error FROM attempt_error WHERE seq = ? ORDER BY attempt";

/** Single jobs, by id or by event id. */
export function createRead({ db, file }: StoreContext): Pick<Operations, "get" | "getDetail" | "find"> {
  const jobBySeq: Query<JobRow> = query(
    db,
    `SELECT ${jobColumns} FROM job j LEFT JOIN body b USING(seq) WHERE j.seq = ?`,
  );
  const detailBySeq: Query<JobRow & PayloadRow> = query(
    db,
    `SELECT ${jobColumns}, b.payload FROM job j LEFT JOIN body b USING(seq) WHERE j.seq = ?`,
  );
  const errorsBySeq: Query<ErrorRow> = query(db, errorsOfJob);
  const headByKey: Query<HeadRow> = query(
    db,
    `SELECT ${headColumns} FROM job j LEFT JOIN body b USING(seq) WHERE j.event_id = ? AND j.tenant = ?`,
  );

  const get = (id: JobId): Job | null => {
    const row = rowOf(jobBySeq, id);
    return row === undefined ? null : toJob(row, file);
  };

  return {
    get: (ids) => ids.map(get),
    getDetail(id) {
      const row = rowOf(detailBySeq, id);
      if (row === undefined) return null;
      checkedPayloadId(row, file);
      const errors = errorsBySeq.all(row.seq);
      return { ...toJob(row, file), payload: row.payload, errors };
    },
    find: (tenant, eventIds) =>
      eventIds.map((eventId) => {
        // SQLite would take a lone surrogate for U+FFFD, which is the key of another event.
        const row = eventId.isWellFormed() ? headByKey.get(eventId, tenant) : undefined;
        return row === undefined ? null : checkedId(row, file);
      }),
  };
}

function rowOf<Row extends JobRow>(rows: Query<Row>, id: JobId): Row | undefined {
  const key = parseJobId(id);
  if (key === undefined) return undefined;
  const row = rows.get(key.seq);
  return row !== undefined && isIdOf(row, key) ? row : undefined;
}
