import { needs } from "@event-ingestion/needs";
import { type JobId, type JobStore, type NewEvent, type Policy, type Verdict } from "@event-ingestion/store";
import { beforeEach, describe, expect, test } from "vitest";
import { acceptedAt, dayMs, dayOf } from "../tables/job-id.ts";
import { openPostgresStore } from "../postgres-store.ts";
import { createDatabase, installClock, elapse } from "../testing/databases.ts";
import { newEvent, newEvents } from "../testing/events.ts";
import { execute } from "../testing/postgres-server.ts";
import { sharedPostgres, sharedServer } from "../testing/shared-server.ts";

const server = sharedServer(18);
const policy: Policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 7 * dayMs, DEAD: 30 * dayMs, CANCELLED: 7 * dayMs },
};

describe("jobs that are kept for days", needs(sharedPostgres(18)), () => {
  let url: string;
  beforeEach(async () => {
    url = await createDatabase(server ?? "");
    await (await openPostgresStore(url)).close();
    await installClock(url);
    // Noon, so that some hours more are the same day.
    const [row] = await execute(url, "SELECT ingest.clock() AS now");
    await elapse(url, dayMs + dayMs / 2 - (Number(row?.["now"]) % dayMs));
  });

  /** One handle a call: whatever a process knew, it forgets. */
  const withStore = async <T>(use: (store: JobStore) => Promise<T>): Promise<T> => {
    const store = await openPostgresStore(url);
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  };
  const stageOf = async (day: string) => {
    const [row] = await execute(url, `SELECT stage FROM ingest.day WHERE day = '${day}'`);
    return row?.["stage"];
  };

  test("go with their day when their time is over, keys and all, and what must stay stays, wherever a process ends", async () => {
    const { done, dead, cancelled, running, waiting, ids } = await withStore((store) => fill(store, 10_500));
    const day = dayOf(acceptedAt(ids.get("dead-0") ?? ""));
    const idOf = ({ eventId }: NewEvent) => ids.get(eventId) ?? "";
    const bytesOfDay = async () => {
      const [row] = await execute(url, `SELECT pg_total_relation_size('ingest.job_${day}')::int AS bytes`);
      return Number(row?.["bytes"]);
    };
    await elapse(url, 7 * dayMs);
    expect(await withStore(maintainAll)).toBe(0);
    expect(await stageOf(day)).toBe("open");
    const before = await bytesOfDay();
    await elapse(url, dayMs);

    const revived = cancelled[0] ?? newEvent("none");
    const kept = [...dead, ...running, ...waiting];
    const stages = new Set<unknown>();
    let pruned = 0;
    for (let more = true, steps = 0; more; steps++) {
      expect(steps).toBeLessThan(60);
      const stage = await stageOf(day);
      // It is listed to go, and then wanted back.
      if (stage === "listed" && !stages.has(stage))
        await withStore((store) => store.redrive([idOf(revived)]));
      stages.add(stage);
      const step = await withStore((store) => store.maintain(policy));
      pruned += step.pruned;
      more = step.more;
      await withStore((store) => expectKept(store, kept.map(idOf)));
      await expectCounted(url);
    }
    expect([...stages]).toEqual(["open", "listing", "listed", "keys", "old"]);
    expect(pruned).toBe(done.length + cancelled.length - 1);
    expect(await bytesOfDay()).toBeLessThan(before / 10);

    await withStore(async (store) => {
      expect(await store.get([...done, ...cancelled.slice(1)].map(idOf))).toEqual(
        [...done, ...cancelled.slice(1)].map(() => null),
      );
      expect((await store.get([idOf(revived)]))[0]?.state).toBe("QUEUED");
      expect(await store.lookup(done.slice(0, 1000))).toEqual(done.slice(0, 1000).map(() => null));
      expect(await store.lookup([...kept, revived])).toEqual(
        [...kept, revived].map((event) => ({ outcome: "DUPLICATE", jobId: idOf(event) })),
      );
      expect(await store.append(done.slice(0, 1))).toMatchObject([{ outcome: "ACCEPTED" }]);
    });
    const tables = await execute(url, "SELECT relname FROM pg_class WHERE relname ~ '^(gone|kept|saved)'");
    expect(tables).toEqual([]);
  });

  test("leave their day to others: whoever reads or writes meanwhile is not disturbed", async () => {
    const { ids, dead } = await withStore((store) => fill(store, 10_500));
    await elapse(url, 8 * dayMs);
    const store = await openPostgresStore(url);
    const kept = dead.map(({ eventId }) => ids.get(eventId) ?? "");
    const over = new AbortController();
    const watching = (async () => {
      for (let round = 0; !over.signal.aborted; round++) {
        await expectKept(store, kept);
        expect(await store.append(newEvents(`meanwhile-${round}`, 5))).toHaveLength(5);
        expect(await store.list({ state: "DEAD", limit: 10 })).toMatchObject({ jobs: { length: 10 } });
      }
    })();
    const others = await openPostgresStore(url);
    const day = dayOf(acceptedAt(kept[0] ?? ""));
    let pruned = 0;
    // Who does not get the tables for long enough leaves them to a later call.
    while ((await stageOf(day)) !== "old") {
      const [here = 0, there = 0] = await Promise.all([store, others].map(maintainAll));
      pruned += here + there;
    }
    over.abort();
    await watching;
    expect(pruned).toBe(10_505);
    await expectCounted(url);
    await store.close();
    await others.close();
  });

  test("are dropped one by one where few of a day go, and the tables of a day go when nothing is left", async () => {
    const day = await withStore(async (store) => {
      const { ids, running, waiting } = await fill(store, 100);
      const session = { id: [...sessions][0] ?? "", ttlMs: 1 };
      expect(session.id).not.toBe("");
      await store.closeSession(session);
      const left = [...running, ...waiting].map(({ eventId }) => ids.get(eventId) ?? "");
      expect(await store.cancel(left)).toEqual(left.map(() => "cancelled"));
      return dayOf(acceptedAt(left[0] ?? ""));
    });
    await elapse(url, 8 * dayMs);
    await withStore(maintainAll);
    expect(await stageOf(day)).toBe("old");
    expect((await withStore((store) => store.counts())).byState).toEqual({
      QUEUED: 0,
      RUNNING: 0,
      SUCCEEDED: 0,
      DEAD: 20,
      CANCELLED: 0,
    });
    await elapse(url, 23 * dayMs);
    await withStore(async (store) => {
      for (let calls = 0; calls < 20; calls++) await store.maintain(policy);
    });
    expect((await withStore((store) => store.counts())).byState.DEAD).toBe(0);
    expect(await stageOf(day)).toBeUndefined();
    expect(await execute(url, `SELECT to_regclass('ingest.job_${day}') AS there`)).toEqual([{ there: null }]);
    expect(await execute(url, "SELECT count(*)::int AS n FROM ingest.event_key")).toEqual([{ n: 0 }]);
    await expectCounted(url);
  });

  test("stay with a day of which more is to be kept, until they are dropped one by one", async () => {
    await withStore(async (store) => {
      for (let batch = 0; batch < 11; batch++) await end(store, newEvents(`dead-${batch}`, 1000), "dead");
      await end(store, newEvents("done", 10), "succeeded");
    });
    await elapse(url, 8 * dayMs);
    await withStore(maintainAll);
    expect((await withStore((store) => store.counts())).byState).toMatchObject({
      SUCCEEDED: 0,
      DEAD: 11_000,
    });
    await expectCounted(url);
  });
});

/** Sessions that `fill` left open. */
const sessions = new Set<string>();

/** A day with jobs in every state: many that are done, some of the others. */
async function fill(store: JobStore, succeeded: number) {
  const ids = new Map<string, JobId>();
  const note = (events: readonly NewEvent[], answers: readonly { jobId: JobId }[]) => {
    for (const [index, { eventId }] of events.entries()) ids.set(eventId, answers[index]?.jobId ?? "");
  };
  const done: NewEvent[] = [];
  for (let start = 0; start < succeeded; start += 1000) {
    const events = newEvents(`done-${start}`, Math.min(1000, succeeded - start));
    note(events, await end(store, events, "succeeded"));
    done.push(...events);
  }
  const dead = newEvents("dead", 20);
  note(dead, await end(store, dead, "dead"));
  const cancelled = newEvents("cancelled", 5);
  note(cancelled, await end(store, cancelled, "cancelled"));
  const running = newEvents("running", 3);
  note(running, await store.append(running));
  const session = await store.openSession("worker", 1000 * dayMs);
  sessions.clear();
  sessions.add(session.id);
  expect(await store.claim(session, 10)).toHaveLength(3);
  const waiting = newEvents("waiting", 3);
  note(waiting, await store.append(waiting));
  return { done, dead, cancelled, running, waiting, ids };
}

async function end(store: JobStore, events: readonly NewEvent[], as: "succeeded" | "dead" | "cancelled") {
  const answers = await store.append(events);
  const session = await store.openSession("ending", dayMs);
  const leased = await store.claim(session, events.length);
  const verdicts = leased.map(({ jobId, attempt }): Verdict =>
    as === "dead" ? { jobId, attempt, as, error: "no" } : { jobId, attempt, as },
  );
  expect(await store.settle(session, verdicts)).toEqual(events.map(() => "ok"));
  await store.closeSession(session);
  return answers;
}

async function expectKept(store: JobStore, ids: readonly JobId[]): Promise<void> {
  const jobs = await store.get(ids);
  expect(jobs.map((job) => job?.jobId)).toEqual(ids);
  const details = await Promise.all(jobs.slice(0, 3).map((job) => store.getDetail(job?.jobId ?? "")));
  for (const detail of details) expect(detail?.errors).toHaveLength(detail?.state === "DEAD" ? 1 : 0);
}

async function maintainAll(store: JobStore): Promise<number> {
  for (let pruned = 0; ;) {
    const step = await store.maintain(policy);
    pruned += step.pruned;
    if (!step.more) return pruned;
  }
}

/** The counters say what the tables hold. */
async function expectCounted(url: string): Promise<void> {
  const [row] = await execute(
    url,
    `SELECT (SELECT sum(n)::int FROM ingest.tally WHERE metric = 0) - (SELECT count(*)::int FROM ingest.job) AS accepted,
      ARRAY(SELECT coalesce((SELECT sum(n) FROM ingest.tally WHERE metric = s), 0)::int
        - (SELECT count(*)::int FROM ingest.outcome WHERE state = s) FROM unnest(ARRAY[3, 4, 5]) AS s) AS ended`,
  );
  expect(row).toEqual({ accepted: 0, ended: [0, 0, 0] });
}
