import type { JobId } from "@event-ingestion/store";
import { uuidArray } from "../database/binary-array.ts";
import type { Effect } from "../database/connection.ts";
import { sqlState } from "../database/errors.ts";
import { acceptedAt, dayOf, isUuid } from "../tables/job-id.ts";
import { allDays, type JobTables, tablesOf } from "../tables/job-tables.ts";
import type { StoreContext } from "./store-context.ts";

/** A statement that is made for given tables. */
export interface JobSearch {
  kind: string;
  textOf: (tables: JobTables) => string;
}

type Context = Pick<StoreContext, "others" | "partitions">;

/** How a statement is called. */
interface Call {
  values: readonly unknown[];
  effect?: Effect;
}

/**
 * Searches the tables of one day, so that Postgres plans for and locks 3 tables, not those of a month. For a day that this process
 * does not know, and for one that was dropped meanwhile, it searches all tables.
 */
export function searchDay<Row extends object>(
  { others, partitions }: Context,
  day: string,
  { kind, textOf }: JobSearch,
  { values, effect }: Call,
): Promise<Row[]> {
  const search = (name: string, tables: JobTables) =>
    others.query<Row>({ name: `${kind}_${name}`, text: textOf(tables) }, values, effect);
  if (!partitions.has(day)) return search("all", allDays);
  return search(day, tablesOf(day)).catch((error: unknown) => {
    if (sqlState(error) !== "42P01") throw error;
    partitions.forget(day);
    return search("all", allDays);
  });
}

/** Asks the tables of the days of the jobs; their ids are the statement's parameter. */
export async function searchJobs<Row extends object>(
  context: Context,
  ids: readonly JobId[],
  statement: JobSearch,
): Promise<Row[]> {
  const rows: Row[] = [];
  const byDay = Map.groupBy(new Set(ids.filter(isUuid)), (id) => dayOf(acceptedAt(id)));
  for (const [day, some] of byDay) {
    rows.push(...(await searchDay<Row>(context, day, statement, { values: [uuidArray(some)] })));
  }
  return rows;
}
