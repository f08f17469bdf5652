import { needs } from "@event-ingestion/needs";
import type { JobStore, Policy, Session } from "@event-ingestion/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPostgresStore, openPostgresStoreBy } from "../postgres-store.ts";
import { createDatabase, elapse, installClock, machineOn } from "../testing/databases.ts";
import { newEvent } from "../testing/events.ts";
import { sharedPostgres, sharedServer } from "../testing/shared-server.ts";

const server = sharedServer(18);
const longMs = 3_600_000;
const policy: Policy = {
  workerLostLimit: 10,
  keepMs: { SUCCEEDED: longMs, DEAD: longMs, CANCELLED: longMs },
};

describe("a session that is kept back for a job that runs alone", needs(sharedPostgres(18)), () => {
  let url: string;
  let store: JobStore;
  let passedMs: number;
  beforeEach(async () => {
    passedMs = 0;
    url = await createDatabase(server ?? "");
    await (await openPostgresStore(url)).close();
    await installClock(url);
    store = await openPostgresStoreBy(
      machineOn(() => passedMs),
      url,
    );
  });
  afterEach(() => store.close());

  const pass = async (ms: number) => {
    await elapse(url, ms);
    passedMs += ms;
  };

  const lose = async (jobId: string) => {
    const [leased] = await store.claim(await store.openSession("lost", 1000), 1);
    expect(leased?.jobId).toBe(jobId);
    await pass(1000);
    expect(await store.maintain(policy)).toMatchObject({ requeued: 1 });
  };
  const keptBack = async (ttlMs: number) => {
    const [dangerous] = await store.append([newEvent("dangerous")]);
    const jobId = dangerous?.jobId ?? "";
    await lose(jobId);
    const session = await store.openSession("kept back", ttlMs);
    const busy = await store.openSession("busy", longMs);
    expect(await store.claim(busy, 1)).toHaveLength(1);
    await store.append([newEvent("held")]);
    const [held] = await store.claim(session, 1);
    await store.settle(busy, [{ jobId, attempt: 2, as: "release" }]);
    await lose(jobId);
    expect(await store.claim(session, 1)).toEqual([]);
    return { session, jobId: held?.jobId ?? "", dangerousId: jobId };
  };
  /** Whether what is done, a verdict that counts or not for example, is a reason to claim again. */
  const hintsWork = async (act: () => Promise<unknown>) => {
    const [last] = await store.append([newEvent("last")]);
    const listening = new AbortController();
    const hints = store.hints(listening.signal)[Symbol.asyncIterator]();
    await act();
    // Is hinted with its id, which comes after "work".
    await store.cancel([last?.jobId ?? ""]);
    const { value } = await hints.next();
    listening.abort();
    return value === "work";
  };

  const succeed = (session: Session, jobId: string) =>
    store.settle(session, [{ jobId, attempt: 1, as: "succeeded" }]);

  test("is told to claim again when it has settled", async () => {
    const { session, jobId } = await keptBack(longMs);
    expect(await hintsWork(() => succeed(session, jobId))).toBe(true);
  });

  test("is told to claim again when that job is cancelled", async () => {
    const { dangerousId } = await keptBack(longMs);
    expect(await hintsWork(() => store.cancel([dangerousId]))).toBe(true);
  });

  test("is forgotten once it has ended", async () => {
    const { session, jobId } = await keptBack(60_000);
    await pass(60_000);
    await store.maintain(policy);
    expect(await hintsWork(() => succeed(session, jobId))).toBe(false);
  });
});
