import { expect } from "vitest";
import type {
  Appended,
  Job,
  JobDetail,
  JobId,
  JobStore,
  Leased,
  NewEvent,
  Policy,
  Session,
  Verdict,
} from "../job-store.ts";
import { StoreError } from "../store-error.ts";
import type { Engine } from "./case.ts";

/** Ten days: a lease, a delay or a time to run that no case waits for. */
export const longMs = 864_000_000;

/** Keeps everything for longer than a case lasts. */
export const keepAll: Policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 1e12, DEAD: 1e12, CANCELLED: 1e12 },
};

/** A well-formed id that no store has given out. */
export const unknownId: JobId = "0199aaaa-0000-7000-8000-000000000001";

/** A text as UTF-8. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let made = 0;

/** An event with a key of its own. */
export function newEvent(overrides: Partial<NewEvent> = {}): NewEvent {
  const eventId = `event-${++made}`;
  return {
    tenant: "",
    eventId,
    type: "test",
    payload: bytes(`payload of ${eventId}`),
    timestamp: 1n,
    maxAttempts: 12,
    ...overrides,
  };
}

/** So many new events, each with an id of its own. */
export function newEvents(count: number, overrides: Partial<NewEvent> = {}): NewEvent[] {
  return Array.from({ length: count }, () => newEvent(overrides));
}

/** The one element of an answer to one question. */
export function only<T>(answers: readonly T[]): T {
  const [answer, ...others] = answers;
  if (answer === undefined || others.length > 0) throw new Error(`expected 1 answer, got ${answers.length}`);
  return answer;
}

/** Appends new events, all of them accepted. */
export async function acceptAll(store: JobStore, events: readonly NewEvent[]): Promise<JobId[]> {
  const appended = await store.append(events);
  expect(appended.map(({ outcome }) => outcome)).toEqual(events.map(() => "ACCEPTED"));
  return appended.map(({ jobId }) => jobId);
}

/** Appends one new event. */
export async function accept(store: JobStore, overrides: Partial<NewEvent> = {}): Promise<JobId> {
  return only(await acceptAll(store, [newEvent(overrides)]));
}

/** Appends one event, whatever the answer. */
export async function append(store: JobStore, event: NewEvent): Promise<Appended> {
  return only(await store.append([event]));
}

/** Claims one job, which must be there. */
export async function take(store: JobStore, session: Session): Promise<Leased> {
  return only(await store.claim(session, 1));
}

/** A job in the hands of a session of its own. */
export async function start(
  store: JobStore,
  { ttlMs = longMs, ...overrides }: Partial<NewEvent> & { ttlMs?: number } = {},
): Promise<{ jobId: JobId; session: Session; attempt: number }> {
  const jobId = await accept(store, overrides);
  const session = await store.openSession("worker", ttlMs);
  const { attempt, ...leased } = await take(store, session);
  expect(leased.jobId).toBe(jobId);
  return { jobId, session, attempt };
}

/** The ways out of RUNNING by which a job ends. */
export const endings = {
  SUCCEEDED: { as: "succeeded" },
  DEAD: { as: "dead", error: "broken" },
  CANCELLED: { as: "cancelled" },
} as const;

/** What a verdict says besides the attempt. */
export type Ending = Verdict extends infer V
  ? V extends Verdict
    ? Omit<V, "jobId" | "attempt">
    : never
  : never;

/** That ending of that attempt, the first unless given. */
export const verdictOn = (jobId: JobId, ending: Ending, attempt = 1): Verdict => ({
  jobId,
  attempt,
  ...ending,
});

/** A job that ended in that state at its first attempt. */
export async function finished(
  store: JobStore,
  state: keyof typeof endings,
  overrides: Partial<NewEvent> = {},
): Promise<JobId> {
  const { jobId, session, attempt } = await start(store, overrides);
  expect(await store.settle(session, [{ jobId, attempt, ...endings[state] }])).toEqual(["ok"]);
  return jobId;
}

/** A job that exists. */
export async function jobOf(store: JobStore, jobId: JobId): Promise<Job> {
  return existing(only(await store.get([jobId])));
}

/** The detail of a job that exists. */
export async function detailOf(store: JobStore, jobId: JobId): Promise<JobDetail> {
  return existing(await store.getDetail(jobId));
}

function existing<T>(found: T | null): T {
  if (found === null) throw new Error("the job is not there");
  return found;
}

/** The engine's clock. */
export async function nowOf(store: JobStore): Promise<number> {
  return (await store.counts()).asOf;
}

/** Calls maintain until there is no more to do. */
export async function maintainAll(
  store: JobStore,
  policy: Policy = keepAll,
): Promise<{ requeued: number; died: number; pruned: number }> {
  const total = { requeued: 0, died: 0, pruned: 0 };
  for (let calls = 0; calls < 1000; calls++) {
    const { requeued, died, pruned, more } = await store.maintain(policy);
    total.requeued += requeued;
    total.died += died;
    total.pruned += pruned;
    if (!more) return total;
  }
  throw new Error("maintain has more to do after 1,000 calls");
}

/** Claims that job, the next one, with a session that then expires. */
export async function lose(
  { store, spanMs, elapse }: Engine,
  jobId: JobId,
): Promise<{ requeued: number; died: number; pruned: number }> {
  const session = await store.openSession("lost", spanMs);
  expect((await take(store, session)).jobId).toBe(jobId);
  await elapse();
  return maintainAll(store);
}

/** Due jobs that were lost twice. Nothing else may be due. */
export async function suspects(engine: Engine, count: number): Promise<JobId[]> {
  const ids = await acceptAll(engine.store, newEvents(count));
  await loseAll(engine, ids);
  await loseAll(engine, ids);
  return ids;
}

/** Claims these jobs, the only due ones, together, with a session that then expires. */
export async function loseAll({ store, spanMs, elapse }: Engine, ids: readonly JobId[]): Promise<void> {
  const leased = await store.claim(await store.openSession("lost", spanMs), ids.length + 1);
  expect(leased.map(({ jobId }) => jobId).toSorted()).toEqual(ids);
  await elapse();
  expect(await maintainAll(store)).toEqual({ requeued: ids.length, died: 0, pruned: 0 });
}

/** The call breaks a rule of the port, and nothing of it was done. */
export async function expectInvalid(call: Promise<unknown>): Promise<void> {
  const error: unknown = await call.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StoreError);
  expect(error).toMatchObject({ outcome: "notApplied", reason: "invalid" });
}
