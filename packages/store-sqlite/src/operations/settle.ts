import { type Value, maxInsertRows, prepareInsert, query } from "../database/driver.ts";
import { type EndAttempt, type RunningRow, runningColumns } from "./ending.ts";
import { isIdOf } from "../tables/job-id.ts";
import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";
import { type PlacedVerdict, type VerdictColumns, unpackVerdicts } from "./verdict-columns.ts";

/** Neighbours, in their order. */
type Run = readonly [PlacedVerdict, ...PlacedVerdict[]];

/**
 * Settles neighbouring jobs that succeeded by one statement, if all of them are still held; all other verdicts row by row. Either
 * way (session, seq, attempt) is the fence.
 */
export function createSettle(
  { db, clock, steadyTime, counters, changes, sessions, isolatedJobs }: StoreContext,
  endAttempt: EndAttempt,
): Pick<Operations, "settle"> {
  const held = query<RunningRow>(
    db,
    `SELECT ${runningColumns} FROM job WHERE seq = ? AND session = ? AND attempts = ?`,
  );
  const countHeld = query<{ n: number; salts: number }>(
    db,
    "SELECT count(*) AS n, sum(salt) AS salts FROM job WHERE seq BETWEEN ? AND ? AND session = ? AND attempts = ?",
  );
  const succeed = "UPDATE job SET state = 3, finished_at = ?, cancel = ?, session = NULL";
  const succeedRun = db.prepare(`${succeed} WHERE seq BETWEEN ? AND ? AND session = ? AND attempts = ?`);
  const succeedOne = db.prepare(
    `${succeed} WHERE seq = ? AND at = ? AND salt = ? AND session = ? AND attempts = ?`,
  );
  const insertResults = prepareInsert(db, { into: "result", columns: ["seq", "result"] });

  const settleRun = (run: Run, session: number): boolean => {
    const [{ key, attempt }] = run;
    const range = [key.seq, key.seq + run.length - 1, session, attempt];
    const found = countHeld.get(...range);
    if (found?.n !== run.length || found.salts !== saltsOf(run)) return false;
    succeedRun.run(clock.now(), steadyTime.lead(), ...range);
    return true;
  };

  const settleOne = ({ key, attempt, ending }: PlacedVerdict, session: number): boolean => {
    if (ending === null) {
      const { seq, at, salt } = key;
      return succeedOne.run(clock.now(), steadyTime.lead(), seq, at, salt, session, attempt).changes === 1;
    }
    const job = held.get(key.seq, session, attempt);
    if (job === undefined || !isIdOf(job, key)) return false;
    endAttempt(job, ending);
    return true;
  };

  /** Those of them that were still held. */
  const settleHeld = (run: Run, session: number): readonly PlacedVerdict[] =>
    run.length > 1 && settleRun(run, session) ? run : run.filter((item) => settleOne(item, session));

  /** What is left to do of those that succeeded. */
  const succeeded = (items: readonly PlacedVerdict[]) => {
    counters.moved(items.length, { from: "RUNNING", to: "SUCCEEDED" });
    for (const { jobId } of items) changes.jobs.push(jobId);
    const results = items.filter(({ result }) => result !== null);
    for (let start = 0; start < results.length; start += maxInsertRows) {
      const values = results
        .slice(start, start + maxInsertRows)
        .flatMap(({ key, result }): Value[] => [key.seq, result]);
      insertResults(values);
    }
  };

  return {
    settle({ id }, verdicts) {
      const answers = verdicts.jobIds.map((): "ok" | "lost" => "lost");
      const session = sessions.find(id);
      if (session === undefined) return answers;
      // A session that holds such a job was given no other.
      if (isolatedJobs.isHeldBy(session.id)) changes.work = true;
      const settled = runsOf(verdicts).flatMap((run) => settleHeld(run, session.id));
      succeeded(settled.filter(({ ending }) => ending === null));
      for (const { index } of settled) answers[index] = "ok";
      // The session may be empty now, as such a job wants it.
      if (isolatedJobs.due() !== undefined) changes.work = true;
      return answers;
    },
  };
}

/** Verdicts in the order of their rows, cut into runs that one statement may settle. */
function runsOf(verdicts: VerdictColumns): Run[] {
  const runs: [PlacedVerdict, ...PlacedVerdict[]][] = [];
  for (const verdict of unpackVerdicts(verdicts).toSorted((a, b) => a.key.seq - b.key.seq)) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run !== undefined && last !== undefined && isNeighbour(last, verdict)) run.push(verdict);
    else runs.push([verdict]);
  }
  return runs;
}

function isNeighbour(last: PlacedVerdict, verdict: PlacedVerdict): boolean {
  return (
    verdict.key.seq === last.key.seq + 1 &&
    verdict.attempt === last.attempt &&
    verdict.ending === null &&
    last.ending === null
  );
}

function saltsOf(run: Run): number {
  return run.reduce((sum, { key }) => sum + key.salt, 0);
}
