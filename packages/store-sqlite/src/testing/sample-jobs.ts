import type { JobStore, NewEvent, Session, StoredJob } from "@event-ingestion/store";
import { newEvent } from "./new-event.ts";

const year = 31_536_000_000;

type Open = () => Promise<JobStore>;
type Ending =
  | { as: "succeeded"; result?: Uint8Array }
  | { as: "dead"; error: string }
  | { as: "retry"; delayMs: number; error: string }
  | { as: "cancelled" };

/**
 * Fills a new store with jobs in every state that a file can hold, and closes it. When a version of the schema is
 * released, a file that this made over that release is kept in this folder, as version-N.db.gz.
 */
export async function writeSampleJobs(open: Open): Promise<void> {
  const store = await open();
  const remote = await store.openSession("remote worker", year, "remote");
  await settle(store, remote, { event: newEvent("pruned"), verdict: { as: "succeeded" } });
  await store.maintain({ workerLostLimit: 3, keepMs: { SUCCEEDED: 0, DEAD: year, CANCELLED: year } });

  await settle(store, remote, { event: newEvent("succeeded"), verdict: { as: "succeeded" } });
  const result = Buffer.from("a result");
  await settle(store, remote, {
    event: newEvent("succeeded with a result"),
    verdict: { as: "succeeded", result },
  });
  await settle(store, remote, { event: newEvent("dead"), verdict: { as: "dead", error: "it cannot work" } });
  const later = { as: "retry", delayMs: 100 * year, error: "not now" } as const;
  await settle(store, remote, { event: newEvent("tried again later"), verdict: later });
  await settle(store, remote, { event: newEvent("cancelled by its worker"), verdict: { as: "cancelled" } });
  const rare = { tenant: "other", type: "ä/b", timestamp: 2n ** 63n - 1n, maxAttempts: 1 };
  await settle(store, remote, { event: newEvent("rare", rare), verdict: { as: "dead", error: "a bug" } });
  await store.redrive(await idsOf(store, "other", "rare"));
  await claim(store, remote);

  await store.append([newEvent("asked to stop")]);
  await claim(store, remote);
  await store.append([newEvent("scheduled", { runAt: Date.now() + 100 * year }), newEvent("cancelled")]);
  await store.cancel(await idsOf(store, "", "asked to stop", "cancelled"));
  await store.append([newEvent("lost twice")]);
  await claim(store, await store.openSession("worker that ends with its process", year));
  await store.close();

  const again = await open();
  await claim(again, await again.openSession("worker that ends with its process", year));
  await again.append([
    newEvent("held"),
    newEvent("waiting"),
    newEvent("large", { payload: new Uint8Array(20_000) }),
  ]);
  await again.close();
}

/** All that such a store holds, without what differs each time: ids and times. */
export async function readSampleJobs(store: JobStore): Promise<unknown[]> {
  const jobs = (await store.exportJobs?.(undefined, 1000)) ?? [];
  return jobs.map(withoutTimes);
}

function withoutTimes(job: StoredJob): unknown {
  const errors = job.errors.map(({ attempt, error }) => ({ attempt, error }));
  return {
    ...job,
    errors,
    jobId: "",
    acceptedAt: 0,
    finishedAt: Number(job.finishedAt !== undefined),
    nextAttemptAt: Number(job.nextAttemptAt !== undefined),
  };
}

async function settle(
  store: JobStore,
  session: Session,
  { event, verdict }: { event: NewEvent; verdict: Ending },
): Promise<void> {
  await store.append([event]);
  const [job] = await claim(store, session);
  if (job === undefined) throw new Error("the job was not handed out");
  await store.settle(session, [{ ...job, ...verdict }]);
}

async function claim(store: JobStore, session: Session): Promise<{ jobId: string; attempt: number }[]> {
  return (await store.claim(session, 1)).map(({ jobId, attempt }) => ({ jobId, attempt }));
}

async function idsOf(store: JobStore, tenant: string, ...eventIds: string[]): Promise<string[]> {
  return (await store.find(tenant, eventIds)).filter((id) => id !== null);
}
