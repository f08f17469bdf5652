import type { JobId } from "@event-ingestion/store";
import type { Area } from "./area.ts";
import { uuidArray } from "./binary-array.ts";
import { sqlState } from "./errors.ts";
import { acceptedAt, dayOf, isUuid } from "./job-id.ts";

/** The tables that have one partition a day: those of a day, or the parents of all. */
export interface JobTables {
  job: string;
  outcome: string;
  attempt_error: string;
}

/** All days. */
export const allDays: JobTables = {
  job: "ingest.job",
  outcome: "ingest.outcome",
  attempt_error: "ingest.attempt_error",
};

export function tablesOf(day: string): JobTables {
  return {
    job: `${allDays.job}_${day}`,
    outcome: `${allDays.outcome}_${day}`,
    attempt_error: `${allDays.attempt_error}_${day}`,
  };
}

/** A statement about jobs whose ids are its first parameter, over the tables it is given. */
export interface JobSearch {
  kind: string;
  textOf: (tables: JobTables) => string;
}

/**
 * Asks the tables of the days of the ids: Postgres then plans and locks 3 tables, not those of a month, and has one to look
 * into. Days that this process does not know are looked for everywhere, and so is a day that was dropped meanwhile.
 */
export async function searchJobs<Row>(
  { others, days }: Pick<Area, "others" | "days">,
  ids: readonly JobId[],
  { kind, textOf }: JobSearch,
): Promise<Row[]> {
  const search = (name: string, tables: JobTables, some: readonly JobId[]) =>
    others.query<Row>({ name: `${kind}_${name}`, text: textOf(tables) }, [uuidArray(some)]);

  const searchDay = (day: string, some: readonly JobId[]) => {
    if (!days.has(day)) return search("all", allDays, some);
    return search(day, tablesOf(day), some).catch((error: unknown) => {
      if (sqlState(error) !== "42P01") throw error;
      days.forget(day);
      return search("all", allDays, some);
    });
  };

  const rows: Row[] = [];
  const byDay = Map.groupBy(new Set(ids.filter(isUuid)), (id) => dayOf(acceptedAt(id)));
  for (const [day, some] of byDay) rows.push(...(await searchDay(day, some)));
  return rows;
}

/** The same bytes as the port has them, without the methods of Buffer. */
export function plainBytes({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
