import { randomUUID } from "node:crypto";
import {
  type Counts,
  type Job,
  type JobId,
  type JobStore,
  revision,
  type State,
} from "@event-ingestion/store";

/** Why a store could not be copied in one line, what to do about it in another. */
export class CopyError extends Error {
  override readonly name = "CopyError";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What `copyStore` takes. */
export interface CopyOptions {
  from: JobStore;
  to: JobStore;
  /** Stops between two commits; another run goes on from there. */
  signal: AbortSignal;
  /** Told how many jobs of all are in the new store: what an earlier run has copied, then after every commit. */
  progress: (done: number, total: number) => void;
}

const another = "name another store";
const undisturbed =
  "nobody may use either store meanwhile: stop their servers, and begin with an empty new store";

/** How many jobs are in each state. */
type ByState = Counts["byState"];

/** Jobs in one commit of the new store. */
const batchSize = 500;

/**
 * Copies every job into another store with all that is kept of it, under its id. The jobs of the old store stay as they are,
 * and nobody else may use it meanwhile. What is in the new store already must be the work of an earlier run that nobody has touched
 * since; this one goes on after it. In the end the new store must have as many jobs in each state as it should.
 *
 * @throws CopyError; StoreError of either store; the reason of `signal`
 */
export async function copyStore({ from, to, signal, progress }: CopyOptions): Promise<ByState> {
  if (from.exportJobs === undefined)
    throw new CopyError("jobs cannot be moved out of the old store", another);
  if (to.importJobs === undefined) throw new CopyError("jobs cannot be moved into the new store", another);
  if (await isSame(from, to)) throw new CopyError("a store cannot be copied into itself", another);
  const wanted = await countsOfCopy(from, signal);
  if (sum(wanted) === 0) throw new CopyError("the old store has no jobs", another);
  const { asOf } = await from.counts();

  let { newest, count } = await readCopy(from, to, signal);
  progress(count, sum(wanted));
  for (;;) {
    signal.throwIfAborted();
    const jobs = await from.exportJobs(newest, batchSize);
    if (jobs.length === 0) break;
    await to.importJobs(jobs.map((job) => copyOf(job, asOf)));
    newest = jobs.at(-1)?.jobId;
    count += jobs.length;
    progress(count, sum(wanted));
  }
  const { byState } = await to.counts();
  if (states.every((state) => byState[state] === wanted[state])) return byState;
  throw new CopyError(
    `the copy does not add up: the new store has ${jobsInWords(byState)}, it should have ${jobsInWords(wanted)}`,
    undisturbed,
  );
}

/** "3 QUEUED, 1 DEAD" */
export function jobsInWords(counts: ByState): string {
  const words = states.filter((state) => counts[state] > 0).map((state) => `${counts[state]} ${state}`);
  return words.join(", ") || "no jobs";
}

const states = ["QUEUED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED"] as const satisfies readonly State[];

function sum(counts: ByState): number {
  return states.reduce((total, state) => total + counts[state], 0);
}

/**
 * A RUNNING job is copied as its release would leave it, since its worker stays behind: due again with its budget, or
 * CANCELLED if that was asked for.
 */
function copyOf<J extends Job>(job: J, now: number): J {
  if (job.state !== "RUNNING") return job;
  const released = job.cancelRequested
    ? { ...job, state: "CANCELLED" as const, cancelRequested: false, finishedAt: now }
    : { ...job, state: "QUEUED" as const, maxAttempts: job.maxAttempts + 1 };
  return { ...released, revision: revision(released) };
}

/** Whether what is done in one is seen in the other. */
async function isSame(from: JobStore, to: JobStore): Promise<boolean> {
  const worker = `migrate ${randomUUID()}`;
  const session = await to.openSession(worker, 60_000);
  const { workers } = await from.counts();
  await to.closeSession(session);
  return workers.some((each) => each.worker === worker);
}

/** How many jobs the copy of a store has in each state. */
async function countsOfCopy(from: JobStore, signal: AbortSignal): Promise<ByState> {
  const { byState } = await from.counts();
  const copy = { ...byState, RUNNING: 0 };
  for await (const jobs of pages(from, signal, "RUNNING")) {
    for (const job of jobs) copy[copyOf(job, 0).state]++;
  }
  return copy;
}

/**
 * What an earlier run has copied.
 *
 * @throws CopyError if the store holds anything else
 */
async function readCopy(
  from: JobStore,
  to: JobStore,
  signal: AbortSignal,
): Promise<{ newest: JobId | undefined; count: number }> {
  let newest: JobId | undefined;
  let count = 0;
  for await (const jobs of pages(to, signal)) {
    newest ??= jobs[0]?.jobId;
    count += jobs.length;
    const originals = await from.get(jobs.map(({ jobId }) => jobId));
    for (const [index, job] of jobs.entries()) {
      const original = originals[index];
      if (original && copyOf(original, 0).revision === job.revision) continue;
      const what = original ? "was used since it was copied" : "is not of the old store";
      throw new CopyError(
        `the new store must be empty, or a copy that was cut short: ${job.jobId} ${what}`,
        original ? undisturbed : another,
      );
    }
  }
  return { newest, count };
}

/** All jobs, newest first. */
async function* pages(store: JobStore, signal: AbortSignal, state?: State): AsyncGenerator<Job[]> {
  let cursor: string | undefined;
  do {
    signal.throwIfAborted();
    const page = await store.list({
      limit: 1000,
      ...(state && { state }),
      ...(cursor !== undefined && { cursor }),
    });
    if (page.jobs.length > 0) yield page.jobs;
    cursor = page.cursor;
  } while (cursor !== undefined);
}
