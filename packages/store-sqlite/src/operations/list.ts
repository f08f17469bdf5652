import { checkListLimit, invalid, type ListQuery, type State, stateCode } from "@event-ingestion/store";
import { type Database, type Query, query } from "../database/driver.ts";
import { type JobRow, jobColumns, toJob } from "../tables/job-row.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";

/** Jobs that one page looks at to find matches. A page with few matches ends early, with a cursor. */
const maxScanned = 10_000;

/** What a page looks through. Few jobs are RUNNING, DEAD or CANCELLED; they have an index, which its condition names. */
interface Source {
  index: string;
  where: string;
}

const allJobs: Source = { index: "", where: "true" };
/** The first term selects the index. The second makes it return jobs in order; without it each page would sort all of them. */
const failed = (state: "DEAD" | "CANCELLED"): Source => ({
  index: "INDEXED BY job_failed",
  where: `j.state >= 4 AND j.state = ${stateCode[state]}`,
});
const sources: Record<State, Source> = {
  QUEUED: allJobs,
  RUNNING: { index: "INDEXED BY job_running", where: "j.session IS NOT NULL" },
  SUCCEEDED: allJobs,
  DEAD: failed("DEAD"),
  CANCELLED: failed("CANCELLED"),
};

/** Pages of jobs, newest first. The key is the cursor, so a page does not move when jobs come, change or go. */
export function createList({ db, file, counters }: StoreContext): Pick<Operations, "list"> {
  const pageOf = remember<JobRow>(db);
  const lowestFor = remember<{ seq: number }>(db);
  const next = query<{ seq: number; at: number }>(
    db,
    "SELECT seq, at FROM job WHERE seq >= ? ORDER BY seq LIMIT 1",
  );

  /** The first job accepted at an instant or later, of those whose acceptance times rise with `seq`. */
  const seqAt = (instant: number): number => {
    let [low, high] = [counters.get("orderedSeq"), counters.get("lastSeq") + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const job = next.get(middle);
      if (job === undefined || job.at >= instant) high = middle;
      else low = job.seq + 1;
    }
    return low;
  };

  /** Where jobs accepted from an instant on begin; at the very beginning while there are jobs in no order. */
  const firstAt = (instant: number): number => {
    const oldest = next.get(0);
    return oldest !== undefined && oldest.seq < counters.get("orderedSeq") ? 0 : seqAt(instant);
  };

  /** The lowest of the jobs that one page may look at. */
  const lowestOf = ({ index, where }: Source, end: number): number | undefined =>
    lowestFor(
      `SELECT j.seq FROM job j ${index} WHERE ${where} AND j.seq < ?
       ORDER BY j.seq DESC LIMIT 1 OFFSET ${maxScanned - 1}`,
    ).get(end)?.seq;

  return {
    list(wanted) {
      refuseInvalid(wanted);
      const { state, from = 0, to = Infinity, cursor, limit } = wanted;
      const source = state === undefined ? allJobs : sources[state];
      const filters = filtersOf(wanted);
      const first = firstAt(from);
      const end = Math.min(seqAt(to), cursor === undefined ? Infinity : Number(cursor));
      const lowest = Math.max(first, lowestOf(source, end) ?? 0);

      const rows = pageOf(
        `SELECT ${jobColumns} FROM job j ${source.index} LEFT JOIN body b USING(seq)
         WHERE ${[source.where, "j.seq < ?", "j.seq >= ?", ...filters.terms].join(" AND ")}
         ORDER BY j.seq DESC LIMIT ?`,
      ).all(end, lowest, ...filters.values, limit + 1);
      const page = rows.slice(0, limit);
      const jobs = page.map((row) => toJob(row, file));
      const nextEnd = rows.length > limit ? (page.at(-1)?.seq ?? lowest) : lowest;
      const isLast = rows.length <= limit && lowest <= first;
      return isLast ? { jobs } : { jobs, cursor: String(nextEnd) };
    },
  };
}

/** Prepares each text once; there is one for each combination of filters. */
function remember<Row>(db: Database): (sql: string) => Query<Row> {
  const known = new Map<string, Query<Row>>();
  return (sql) => {
    const prepared = known.get(sql) ?? query<Row>(db, sql);
    known.set(sql, prepared);
    return prepared;
  };
}

function filtersOf({ state, type, tenant, from, to }: ListQuery): {
  terms: string[];
  values: (string | number)[];
} {
  const terms: string[] = [];
  const values: (string | number)[] = [];
  if (state !== undefined) terms.push(`j.state = ${stateCode[state]}`);
  if (type !== undefined) {
    terms.push("b.type = ?");
    values.push(type);
  }
  if (tenant !== undefined) {
    terms.push("j.tenant = ?");
    values.push(tenant);
  }
  if (from !== undefined) {
    terms.push("j.at >= ?");
    values.push(from);
  }
  if (to !== undefined) {
    terms.push("j.at < ?");
    values.push(to);
  }
  return { terms, values };
}

function refuseInvalid({ limit, cursor }: ListQuery): void {
  checkListLimit(limit);
  if (cursor !== undefined && !/^\d{1,13}$/.test(cursor))
    throw invalid("cursor must be one that list returned");
}
