import { type Verdict, checkVerdict, lossesInCompany } from "@event-ingestion/store";
import { query } from "./driver.ts";
import { type EndAttempt, type RunningRow, runningColumns } from "./ending.ts";
import { type JobKey, isIdOf, parseJobId } from "./job-id.ts";
import type { Area, Operations } from "./operations.ts";

/** A verdict with the row it is about and its place in the answer. */
interface Item {
  verdict: Verdict;
  index: number;
  key: JobKey;
}

/**
 * Neighbours that succeeded without a result are settled by one statement, if all of them are still held; else, and for
 * everything else, row by row. Either way (session, seq, attempt) is the fence.
 */
export function createSettle(
  { db, clock, counters, changes, sessions, loneJobs }: Area,
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
  const succeed = db.prepare(`UPDATE job SET state = 3, finished_at = ?, cancel = 0, session = NULL
    WHERE seq BETWEEN ? AND ? AND session = ? AND attempts = ?`);
  const addResult = db.prepare("INSERT INTO result(seq, result) VALUES(?, ?)");

  const succeeded = (run: readonly [Item, ...Item[]], session: number) => {
    const first = run[0].key.seq;
    succeed.run(clock.now(), first, first + run.length - 1, session, run[0].verdict.attempt);
    counters.moved(run.length, { from: "RUNNING", to: "SUCCEEDED" });
    for (const { verdict } of run) changes.jobs.push(verdict.jobId);
  };

  const settleOne = (item: Item, session: number): boolean => {
    const { verdict } = item;
    const job = held.get(item.key.seq, session, verdict.attempt);
    if (job === undefined || !isIdOf(job, item.key)) return false;
    // A session that held this one was given no other.
    if (job.lost >= lossesInCompany) changes.work = true;
    if (verdict.as !== "succeeded") {
      endAttempt(job, verdict);
      return true;
    }
    succeeded([item], session);
    if (verdict.result !== undefined) addResult.run(item.key.seq, verdict.result);
    return true;
  };

  const settleRun = (run: readonly [Item, ...Item[]], session: number): boolean => {
    const first = run[0].key.seq;
    const found = countHeld.get(first, first + run.length - 1, session, run[0].verdict.attempt);
    if (found?.n !== run.length || found.salts !== saltsOf(run)) return false;
    succeeded(run, session);
    return true;
  };

  return {
    settle({ id }, verdicts) {
      for (const verdict of verdicts) checkVerdict(verdict);
      const answers = verdicts.map((): "ok" | "lost" => "lost");
      const session = sessions.find(id);
      if (session === undefined) return answers;
      for (const run of runsOf(verdicts)) {
        const isWhole = run.length > 1 && settleRun(run, session.id);
        for (const item of run) {
          if (isWhole || settleOne(item, session.id)) answers[item.index] = "ok";
        }
      }
      // The session may be empty now, as such a job wants it.
      if (loneJobs.due() !== undefined) changes.work = true;
      return answers;
    },
  };
}

/** Verdicts in the order of their rows, cut into runs that one statement may settle. Ids that no store gave out are left out. */
function runsOf(verdicts: readonly Verdict[]): [Item, ...Item[]][] {
  const items = verdicts.flatMap((verdict, index): Item[] => {
    const key = parseJobId(verdict.jobId);
    return key === undefined ? [] : [{ verdict, index, key }];
  });
  items.sort((a, b) => a.key.seq - b.key.seq);
  const runs: [Item, ...Item[]][] = [];
  for (const item of items) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run !== undefined && last !== undefined && isNeighbour(last, item)) run.push(item);
    else runs.push([item]);
  }
  return runs;
}

function isNeighbour(last: Item, item: Item): boolean {
  return (
    item.key.seq === last.key.seq + 1 &&
    item.verdict.attempt === last.verdict.attempt &&
    isPlainSuccess(item.verdict) &&
    isPlainSuccess(last.verdict)
  );
}

function isPlainSuccess(verdict: Verdict): boolean {
  return verdict.as === "succeeded" && verdict.result === undefined;
}

function saltsOf(run: readonly Item[]): number {
  return run.reduce((sum, { key }) => sum + key.salt, 0);
}
