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

/** The tables of one day, written as in their names: 20261231. */
export function tablesOf(day: string): JobTables {
  return {
    job: `${allDays.job}_${day}`,
    outcome: `${allDays.outcome}_${day}`,
    attempt_error: `${allDays.attempt_error}_${day}`,
  };
}
