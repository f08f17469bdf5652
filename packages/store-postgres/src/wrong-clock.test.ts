import { needs } from "@event-ingestion/needs";
import type { JobStore, Policy, Session, StoredJob } from "@event-ingestion/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPostgresStoreBy } from "./postgres-store.ts";
import { createDatabase, elapse, installClock, setClock, machineOn } from "./testing/databases.ts";
import { newEvent, newEvents } from "./testing/events.ts";
import { execute } from "./testing/postgres-server.ts";
import { sharedPostgres, sharedServer } from "./testing/shared-server.ts";

const server = sharedServer(18);
const [secondMs, hourMs, dayMs] = [1000, 3_600_000, 86_400_000];
const policy: Policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 7 * dayMs, DEAD: 30 * dayMs, CANCELLED: 7 * dayMs },
};

/** To some seconds. */
const near = (ms: number): unknown => expect.closeTo(ms, -3.7);

describe("a database whose clock is set while servers run", needs(sharedPostgres(18)), () => {
  let url: string;
  let store: JobStore;
  let other: JobStore;
  let passedMs: number;
  let begun: number;
  const open = () =>
    openPostgresStoreBy(
      machineOn(() => passedMs),
      url,
    );

  beforeEach(async () => {
    [passedMs, begun] = [0, 0];
    url = await createDatabase(server ?? "");
    await (await open()).close();
    await installClock(url);
    [store, other] = [await open(), await open()];
  });
  afterEach(() => Promise.all([store.close(), other.close()]));

  /** Time passes, for everybody. */
  const pass = async (ms: number) => {
    await elapse(url, ms);
    passedMs += ms;
    await look();
  };
  /** What every server does once a second. */
  const look = async () => {
    for (const each of [store, other]) {
      for (let more = true; more;) ({ more } = await each.maintain(policy));
    }
  };
  const set = async (byMs: number) => {
    await setClock(url, byMs);
    await look();
  };
  const begin = async (events = 1, ttlMs = 1000 * dayMs) => {
    await store.append(newEvents(`event-${begun++}`, events));
    const session = await store.openSession("worker", ttlMs);
    const leased = await store.claim(session, events);
    expect(leased).toHaveLength(events);
    return { session, leased, ids: leased.map(({ jobId }) => jobId) };
  };
  const end = async (as: "succeeded" | "retry") => {
    const { session, leased, ids } = await begin();
    const verdicts = leased.map(({ jobId, attempt }) =>
      as === "retry" ? { jobId, attempt, as, delayMs: 3 * secondMs, error: "again" } : { jobId, attempt, as },
    );
    expect(await store.settle(session, verdicts)).toEqual(leased.map(() => "ok"));
    return { session, ids };
  };
  const claimed = async (session: Session, from = store) =>
    (await from.claim(session, 100)).map(({ event }) => event.eventId);
  const clockOf = async () => (await store.counts()).asOf;

  test.each([-hourMs, -30 * dayMs, -2 * secondMs, hourMs])(
    "by %i ms: a retry runs after its delay, through whichever server, and its status says when",
    async (byMs) => {
      const { session, ids } = await end("retry");
      await set(byMs);
      const [job] = await other.get(ids);
      expect(job?.nextAttemptAt).toBeLessThanOrEqual((await clockOf()) + 3 * secondMs);
      const { jobs } = await store.list({ limit: 10 });
      expect(jobs).toEqual([job]);
      await pass(3 * secondMs);
      expect(await claimed(session, other)).toEqual(["event-0-0"]);
    },
  );

  test("put back: a delay that begins afterwards is as long as it should be", async () => {
    await set(-hourMs);
    const { session } = await end("retry");
    expect(await claimed(session)).toEqual([]);
    expect(await store.counts()).toMatchObject({ scheduled: 1 });
    await pass(3 * secondMs);
    expect(await store.counts()).toMatchObject({ scheduled: 0 });
    expect(await claimed(session)).toEqual(["event-0-0"]);
  });

  test.each([hourMs, -hourMs, 30 * dayMs, -30 * dayMs])(
    "by %i ms: no lease is lost, and one whose worker is silent ends after its time",
    async (byMs) => {
      const { session, ids } = await begin(1, 30 * secondMs);
      const silent = await store.openSession("silent", 30 * secondMs);
      await pass(20 * secondMs);
      await setClock(url, byMs);
      // Before anybody has looked, and after.
      expect(await other.heartbeat(session)).toEqual({ lost: false, cancelRequested: [] });
      await look();
      expect((await store.heartbeat(silent)).lost).toBe(false);
      const { workers, asOf } = await other.counts();
      for (const { expiresAt } of workers)
        expect(Math.abs(expiresAt - asOf - 25 * secondMs)).toBeLessThan(8 * secondMs);
      await pass(20 * secondMs);
      expect((await store.heartbeat(session)).lost).toBe(false);
      expect((await store.get(ids))[0]?.state).toBe("RUNNING");
      await pass(29 * secondMs);
      expect((await store.get(ids))[0]?.state).toBe("RUNNING");
      await pass(2 * secondMs);
      expect(await store.get(ids)).toMatchObject([{ state: "QUEUED", lastError: "worker lost" }]);
      expect((await other.heartbeat(session)).lost).toBe(true);
      expect((await other.heartbeat(silent)).lost).toBe(true);
    },
  );

  test("an event that was accepted while it was ahead runs at once when it is right again, one for later does not", async () => {
    await set(dayMs);
    await store.append([newEvent("ahead")]);
    await set(-dayMs);
    const inAnHour = (await clockOf()) + hourMs;
    await store.append([newEvent("right"), newEvent("later", { runAt: inAnHour })]);
    const counts = await store.counts();
    expect(counts).toMatchObject({ scheduled: 1 });
    expect(counts.oldestReadyAt).toBeLessThanOrEqual(counts.asOf);
    const session = await other.openSession("worker", dayMs);
    expect((await claimed(session, other)).toSorted()).toEqual(["ahead", "right"]);
    const [later] = (await store.list({ state: "QUEUED", limit: 10 })).jobs;
    expect(later).toMatchObject({ eventId: "later", nextAttemptAt: inAnHour });
    await pass(hourMs - 60 * secondMs);
    expect(await claimed(session)).toEqual([]);
    await pass(61 * secondMs);
    expect(await claimed(session)).toEqual(["later"]);
  });

  test("put forward: nothing is pruned early, be it put back or not, and everything in the end", async () => {
    const { ids } = await end("succeeded");
    for (const byMs of [20 * dayMs, -20 * dayMs, 20_000 * dayMs]) {
      await setClock(url, byMs);
      await look();
      expect(await store.get(ids)).toMatchObject([{ state: "SUCCEEDED" }]);
    }
    await pass(6 * dayMs);
    const after = await end("succeeded");
    expect(await store.get(ids)).toMatchObject([{ state: "SUCCEEDED" }]);
    await pass(2 * dayMs);
    expect(await store.get(ids)).toEqual([null]);
    expect(await store.get(after.ids)).toMatchObject([{ state: "SUCCEEDED" }]);
    await pass(6 * dayMs);
    expect(await store.get(after.ids)).toEqual([null]);
  });

  test("while no server runs: what was due is due, and time that nobody has seen drops nothing", async () => {
    const { ids } = await end("succeeded");
    const retried = await end("retry");
    await store.append([newEvent("waiting")]);
    await Promise.all([store.close(), other.close()]);
    await setClock(url, -hourMs);
    [store, other] = [await open(), await open()];
    await pass(3 * secondMs);
    expect((await claimed(retried.session)).toSorted()).toEqual(["event-1-0", "waiting"]);
    await Promise.all([store.close(), other.close()]);
    await setClock(url, 20 * dayMs);
    [store, other] = [await open(), await open()];
    await look();
    expect(await store.get(ids)).toMatchObject([{ state: "SUCCEEDED" }]);
    await pass(8 * dayMs);
    expect(await store.get(ids)).toEqual([null]);
  });

  test("servers that look at the same time record it once", async () => {
    await setClock(url, -hourMs);
    const more = await Promise.all([open(), open(), open()]);
    await Promise.all([store, other, ...more].map((each) => each.maintain(policy)));
    await Promise.all(more.map((each) => each.close()));
    const [row] = await execute(url, "SELECT v::json AS record FROM ingest.meta WHERE k = 'clock'");
    expect(row?.["record"]).toMatchObject({ setBy: near(-hourMs), leadMs: near(hourMs), leaps: [] });
  });

  test("a move to another store says when, not by which lead", async () => {
    await set(-hourMs);
    const { ids } = await end("retry");
    const jobs: StoredJob[] = (await store.exportJobs?.(undefined, 10)) ?? [];
    expect(jobs).toMatchObject([{ jobId: ids[0], nextAttemptAt: (await store.get(ids))[0]?.nextAttemptAt }]);
    await execute(
      url,
      "TRUNCATE ingest.job, ingest.queue, ingest.event_key, ingest.tally, ingest.attempt_error",
    );
    await store.importJobs?.(jobs);
    expect(await store.get(ids)).toMatchObject([{ nextAttemptAt: jobs[0]?.nextAttemptAt }]);
  });
});
