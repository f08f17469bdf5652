import {
  checkListLimit,
  invalid,
  type JobStore,
  type ListQuery,
  type State,
  stateCode,
} from "@event-ingestion/store";
import type { StoreContext } from "./store-context.ts";
import { firstIdAt, isUuid, maxInstant } from "../tables/job-id.ts";
import { type JobRow, selectJob, toJob } from "../tables/job-row.ts";
import { allDays } from "../tables/job-tables.ts";
import { isStorable } from "../tables/sql.ts";

/** Jobs that one page looks at to find matches. A page with few matches ends early, with a cursor. */
const maxScanned = 10_000;

/** What a page looks through. */
const sources: Record<State | "ANY", string> = {
  ANY: "ingest.job WHERE true",
  QUEUED: "ingest.queue WHERE true",
  RUNNING: "ingest.lease WHERE true",
  SUCCEEDED: "ingest.outcome WHERE state = 3",
  DEAD: "ingest.outcome WHERE state = 4",
  CANCELLED: "ingest.outcome WHERE state = 5",
};

/** The place where a page stopped before the end. The row has no job if the page found none. */
type PageRow = { lowest: string | null } & (JobRow | { job_id: null });

/** Pages of jobs, newest first. The id is the cursor, so a page does not move when jobs come, change or go. */
export function createList({ others, clock }: StoreContext): Pick<JobStore, "list"> {
  return {
    async list(wanted) {
      refuseInvalid(wanted);
      const { limit, type = "", tenant = "" } = wanted;
      if (!isStorable(type) || !isStorable(tenant)) return { jobs: [] };
      const rows = await others.query<PageRow>(...pageOf(wanted));
      const found = rows.flatMap((row) => (row.job_id === null ? [] : [row]));
      const jobs = found.slice(0, limit).map((row) => toJob(row, clock.leadMs));
      const next = found.length > limit ? jobs.at(-1)?.jobId : rows[0]?.lowest;
      return typeof next === "string" ? { jobs, cursor: next } : { jobs };
    },
  };
}

function pageOf(wanted: ListQuery): [{ text: string }, unknown[]] {
  const { state, type, tenant, from = 0, to = maxInstant, cursor, limit } = wanted;
  const end = firstIdAt(clamp(to));
  const filters = [
    ["j.type", type],
    ["j.tenant", tenant],
    ["j.state", state && stateCode[state]],
  ].filter(([, value]) => value !== undefined);
  const matches = filters.map(([column], index) => ` AND ${column} = $${index + 5}`).join("");
  const ids = `SELECT job_id FROM ${sources[state ?? "ANY"]} AND job_id < $1::uuid AND job_id >= $2::uuid
      ORDER BY job_id DESC`;
  const text = `SELECT b.lowest, p.* FROM (SELECT (${ids} OFFSET $4::int - 1 LIMIT 1) AS lowest) b LEFT JOIN (
      SELECT j.* FROM (${ids} LIMIT $4) AS i(id) CROSS JOIN LATERAL (${selectJob(allDays)}) j
      WHERE true${matches} ORDER BY i.id DESC LIMIT $3) p ON true ORDER BY p.job_id DESC`;
  const values = [
    cursor !== undefined && cursor < end ? cursor : end,
    firstIdAt(clamp(from)),
    limit + 1,
    maxScanned,
    ...filters.map(([, value]) => value),
  ];
  return [{ text }, values];
}

function clamp(instant: number): number {
  return Math.min(Math.max(0, Math.ceil(instant)), maxInstant);
}

function refuseInvalid({ limit, cursor }: ListQuery): void {
  checkListLimit(limit);
  if (cursor !== undefined && !isUuid(cursor)) throw invalid("cursor must be one that list returned");
}
