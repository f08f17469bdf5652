import { setImmediate as turn } from "node:timers/promises";
import { expect } from "vitest";
import type { Job, JobId, JobStore, Session } from "../job-store.ts";
import type { Case, Engine } from "./case.ts";
import { createRandom, seed } from "./seed.ts";
import {
  type Ending,
  bytes,
  detailOf,
  longMs,
  keepAll,
  maintainAll,
  newEvent,
  only,
  verdictOn,
} from "./steps.ts";

/** Everybody at once. No model can foretell the answers, but some things hold whatever they are. */
export function stormCases(check: Case): void {
  check(`F15 producers, workers, operators and watchers at once, SEED=${seed}`, async ({ engine }) => {
    const storm = await createStorm(engine);
    const producing = Promise.all([produce(storm), produce(storm)]).finally(() => (storm.over = true));
    await Promise.all([
      producing,
      ...[1, 2, 3, 4].map(() => work(storm)),
      operate(storm),
      keepHouse(storm),
      watch(storm),
    ]);
    await drain(storm);
    await expectAtRest(storm);
  });
}

interface Storm {
  readonly engine: Engine;
  /** One of the handles, by chance. */
  readonly handle: () => JobStore;
  /** A whole number below that. */
  readonly below: (limit: number) => number;
  /** The first answer for each key. */
  readonly keys: Map<string, JobId>;
  readonly handedOut: Set<string>;
  readonly settled: Set<string>;
  over: boolean;
}

async function createStorm(engine: Engine): Promise<Storm> {
  const random = createRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const handles = [engine.store, await engine.second()];
  const handle = () => handles[below(2)] ?? engine.store;
  return { engine, handle, below, keys: new Map(), handedOut: new Set(), settled: new Set(), over: false };
}

/** A key has one job, whoever sends it and however often. */
async function produce({ handle, below, keys }: Storm): Promise<void> {
  for (let round = 0; round < 150; round++) {
    const events = Array.from({ length: 1 + below(5) }, () => keyed(below(500)));
    const answers = await handle().append(events);
    for (const [index, { outcome, jobId }] of answers.entries()) {
      const eventId = events[index]?.eventId ?? "";
      const first = keys.get(eventId);
      keys.set(eventId, jobId);
      // The other producer may have been told of a duplicate before this one hears that it was accepted.
      if (first !== undefined) expect(jobId).toBe(first);
      expect(outcome).not.toBe("CONFLICT");
    }
  }
}

const keyed = (key: number) => newEvent({ eventId: `key-${key}`, payload: bytes("storm"), maxAttempts: 3 });

const endings: readonly Ending[] = [
  { as: "succeeded" },
  { as: "succeeded" },
  { as: "dead", error: "dead" },
  { as: "retry", delayMs: 0, error: "again" },
  { as: "release" },
  { as: "cancelled" },
];

/** Works in sessions that are closed, lost or abandoned with what they hold. An attempt is handed out and settled once. */
async function work(storm: Storm): Promise<void> {
  const { engine, handle, below } = storm;
  while (!storm.over) {
    const session = await handle().openSession("worker", engine.spanMs);
    for (let claims = below(10); claims >= 0 && !storm.over; claims--) await workOnce(storm, session);
    if (below(2) === 0) await handle().closeSession(session);
  }
}

async function workOnce({ handle, below, handedOut, settled }: Storm, session: Session): Promise<void> {
  const leased = await handle().claim(session, 1 + below(8));
  for (const { jobId, attempt } of leased) {
    expect(handedOut).not.toContain(`${jobId} ${attempt}`);
    handedOut.add(`${jobId} ${attempt}`);
  }
  if (below(4) === 0) await handle().heartbeat(session);
  if (below(8) === 0) return;
  const way = below(endings.length);
  const verdicts = leased.map(({ jobId, attempt }, index) =>
    verdictOn(jobId, endings[(way + (index % 2)) % endings.length] ?? { as: "release" }, attempt),
  );
  const answers = await handle().settle(session, verdicts);
  for (const [index, { jobId, attempt }] of leased.entries()) {
    if (answers[index] !== "ok") continue;
    expect(settled).not.toContain(`${jobId} ${attempt}`);
    settled.add(`${jobId} ${attempt}`);
  }
}

async function operate(storm: Storm): Promise<void> {
  while (!storm.over) {
    // Before the first key there is nothing to ask for, and an engine may answer that without a pause.
    await turn();
    await storm.handle().cancel(someIds(storm, 2));
    await storm.handle().redrive(someIds(storm, 20));
  }
}

/** A tenth of a lease at a time, so that most workers live for some calls. */
async function keepHouse(storm: Storm): Promise<void> {
  const { engine, handle } = storm;
  while (!storm.over) {
    await engine.elapse(0.1);
    await Promise.all([handle().maintain(keepAll), handle().maintain(keepAll)]);
  }
}

/** What is seen of a job never goes back, and never changes without a new revision. */
async function watch(storm: Storm): Promise<void> {
  const seen = new Map<JobId, Job>();
  while (!storm.over) {
    await turn();
    for (const job of await storm.handle().get(someIds(storm, 50))) {
      if (job === null) throw new Error("a job that was accepted is gone");
      const before = seen.get(job.jobId);
      if (before?.revision === job.revision) expect(job).toEqual(before);
      else if (before) expect(job.revision).toBeGreaterThan(before.revision);
      seen.set(job.jobId, job);
    }
  }
}

function someIds({ keys, below }: Storm, count: number): JobId[] {
  const ids = [...keys.values()];
  return [...new Set(Array.from({ length: count }, () => ids[below(ids.length)] ?? []).flat())];
}

/** While a worker lives, every job ends. */
async function drain({ engine, handedOut }: Storm): Promise<void> {
  const { store } = engine;
  await engine.elapse(1.2);
  await maintainAll(store);
  const session = await store.openSession("last", longMs);
  for (;;) {
    const leased = await store.claim(session, 100);
    if (leased.length === 0) return;
    for (const { jobId, attempt } of leased) expect(handedOut).not.toContain(`${jobId} ${attempt}`);
    const verdicts = leased.map(({ jobId, attempt }) => verdictOn(jobId, { as: "succeeded" }, attempt));
    expect(await store.settle(session, verdicts)).toEqual(leased.map(() => "ok"));
  }
}

async function expectAtRest({ engine: { store }, keys }: Storm): Promise<void> {
  const states = { QUEUED: 0, RUNNING: 0, SUCCEEDED: 0, DEAD: 0, CANCELLED: 0 };
  for (const [eventId, jobId] of keys) {
    const job = await detailOf(store, jobId);
    states[job.state]++;
    expect(job.eventId).toBe(eventId);
    expect(only(await store.find("", [eventId]))).toBe(jobId);
    if (job.state === "DEAD") expect(job.errors.at(-1)?.error).toBe(job.lastError);
  }
  const { byState } = await store.counts();
  expect(byState).toEqual(states);
  expect(byState).toMatchObject({ QUEUED: 0, RUNNING: 0 });
}
