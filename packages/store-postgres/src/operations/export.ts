import {
  canonicalId,
  checkExportLimit,
  invalid,
  type JobStore,
  type StoredJob,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { firstIdAt, isUuid } from "../tables/job-id.ts";
import { limits } from "../limits.ts";
import { selectJob } from "../tables/job-row.ts";
import { allDays } from "../tables/job-tables.ts";
import { type DetailRow, detailColumns, toDetail } from "./read.ts";

interface Row extends DetailRow {
  budget: number;
  losses: number;
  trace: string | null;
}

const columns = `${detailColumns(allDays)}, j.max_attempts AS budget, j.trace, coalesce(q.lost, l.lost, 0) AS losses`;

/** A page ends with the job that brings it to so many bytes of payload. $1: after this id, $2: jobs at most, $3: bytes. */
const page = {
  name: "export",
  text: `SELECT x.* FROM (
      SELECT job_id, sum(octet_length(payload)) OVER (ORDER BY job_id) - octet_length(payload)
      FROM (SELECT job_id, payload FROM ingest.job WHERE job_id > $1::uuid ORDER BY job_id LIMIT $2) n)
      AS i(id, bytes_before)
    CROSS JOIN LATERAL (${selectJob(allDays, columns)}) x
    WHERE i.bytes_before < $3 ORDER BY x.job_id`,
};

/** All jobs, for a move to another store: ids sort as they were given out. */
export function createExport({ others, caps, clock }: StoreContext): Pick<JobStore, "exportJobs"> {
  return {
    async exportJobs(after = firstIdAt(0), limit) {
      checkExportLimit(limit, limits);
      if (!isUuid(canonicalId(after))) throw invalid(`${after} is no id of a job`);
      const rows = await others.query<Row>(page, [canonicalId(after), limit, caps.maxBatchBytes]);
      return rows.map((row) => toStored(row, clock.leadMs));
    },
  };
}

function toStored(row: Row, leadMs: number): StoredJob {
  const { budget, losses, trace } = row;
  return { ...toDetail(row, leadMs), budget, losses, ...(trace !== null && { trace }) };
}
