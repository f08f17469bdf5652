import type { JobDetail, JobId, JobStore } from "@event-ingestion/store";
import { canonicalId, keptErrors } from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { textArray } from "../database/binary-array.ts";
import { type JobRow, selectJob, toJob } from "../tables/job-row.ts";
import type { JobTables } from "../tables/job-tables.ts";
import { type JobSearch, searchJobs } from "./job-search.ts";
import { plainBytes } from "../database/binary-array.ts";
import { isStorable } from "../tables/sql.ts";

/** The same with its payload and its failures. */
export interface DetailRow extends JobRow {
  payload: Buffer;
  errors: JobDetail["errors"];
}

const eachId = (select: string) =>
  `SELECT x.* FROM unnest($1::uuid[]) AS i(id) CROSS JOIN LATERAL (${select}) x`;

/** The columns of a DetailRow that a JobRow lacks. */
export const detailColumns = ({ attempt_error }: JobTables): string => `, j.payload,
      coalesce((SELECT json_agg(json_build_object('attempt', e.attempt, 'at', e.at, 'error', e.error) ORDER BY e.attempt)
        FROM ${attempt_error} e WHERE e.job_id = i.id AND e.attempt >
          (SELECT max(n.attempt) FROM ${attempt_error} n WHERE n.job_id = i.id) - ${keptErrors}), '[]') AS errors`;

const jobs: JobSearch = { kind: "jobs", textOf: (tables) => eachId(selectJob(tables)) };
const details: JobSearch = {
  kind: "details",
  textOf: (tables) => eachId(selectJob(tables, detailColumns(tables))),
};

const byKey = {
  name: "find",
  text: "SELECT event_id, job_id FROM ingest.event_key WHERE event_id = ANY ($1::text[]) AND tenant = $2",
};

/** A row as the port gives it. `leadMs` is the lead of dues over the clock. */
export function toDetail(row: DetailRow, leadMs: number): JobDetail {
  return { ...toJob(row, leadMs), payload: plainBytes(row.payload), errors: row.errors };
}

/** Reads single jobs. */
export function createRead(context: StoreContext): Pick<JobStore, "get" | "getDetail" | "find"> {
  return {
    async get(ids) {
      const asked = ids.map(canonicalId);
      const rows = await searchJobs<JobRow>(context, asked, jobs);
      const found = new Map(rows.map((row) => [row.job_id, toJob(row, context.clock.leadMs)]));
      return asked.map((id) => found.get(id) ?? null);
    },
    async getDetail(id) {
      const [row] = await searchJobs<DetailRow>(context, [canonicalId(id)], details);
      return row === undefined ? null : toDetail(row, context.clock.leadMs);
    },
    async find(tenant, eventIds) {
      const asked = isStorable(tenant) ? eventIds.filter(isStorable) : [];
      if (asked.length === 0) return eventIds.map(() => null);
      const rows = await context.others.query<{ event_id: string; job_id: JobId }>(byKey, [
        textArray(asked),
        tenant,
      ]);
      const found = new Map(rows.map((row) => [row.event_id, row.job_id]));
      return eventIds.map((eventId) => found.get(eventId) ?? null);
    },
  };
}
