import { checkExportLimit, invalid, type StoredJob } from "@event-ingestion/store";
import { type Query, query } from "../database/driver.ts";
import { parseJobId } from "../tables/job-id.ts";
import { checkedPayloadId, type JobRow, jobColumns, type PayloadRow, toJob } from "../tables/job-row.ts";
import { limits } from "../limits.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";
import { type ErrorRow, errorsOfJob } from "./read.ts";

type Row = JobRow & PayloadRow & { lost: number };

/** All jobs, for a move to another store: `seq` is the order in which they were accepted. */
export function createExport({ db, file }: StoreContext): Pick<Operations, "exportJobs"> {
  const following: Query<Row> = query(
    db,
    `SELECT ${jobColumns}, j.lost, b.payload FROM job j LEFT JOIN body b USING(seq)
     WHERE j.seq > ? ORDER BY j.seq LIMIT ?`,
  );
  const errorsBySeq: Query<ErrorRow> = query(db, errorsOfJob);

  const toStored = (row: Row): StoredJob => {
    checkedPayloadId(row, file);
    return {
      ...toJob(row, file),
      payload: row.payload,
      errors: errorsBySeq.all(row.seq),
      budget: row.budget,
      losses: row.lost,
      ...(row.trace !== null && { trace: row.trace }),
    };
  };

  return {
    exportJobs(after, limit) {
      checkExportLimit(limit, limits);
      const key = after === undefined ? { seq: 0 } : parseJobId(after);
      if (key === undefined) throw invalid(`${after} is no id of this store`);
      const jobs: StoredJob[] = [];
      let bytes = 0;
      for (const row of following.iterate(key.seq, limit)) {
        jobs.push(toStored(row));
        bytes += row.payload.byteLength + (row.result?.byteLength ?? 0);
        if (bytes >= limits.maxBatchBytes) break;
      }
      return jobs;
    },
  };
}
