import { needs } from "@event-ingestion/needs";
import type { JobStore } from "@event-ingestion/store";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { createDatabase } from "../testing/databases.ts";
import { newEvent, newEvents } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { type FaultProxy, startFaultProxy } from "../testing/fault-proxy.ts";
import { execute } from "../testing/postgres-server.ts";
import { sharedPostgres, sharedServer } from "../testing/shared-server.ts";

const server = sharedServer(18);

describe("an answer that is lost on the way", needs(sharedPostgres(18)), () => {
  let proxy: FaultProxy;
  let url: string;
  let store: JobStore;

  beforeEach(async () => {
    const serverUrl = server ?? "";
    url = await createDatabase(serverUrl);
    proxy = await startFaultProxy(Number(new URL(serverUrl).port));
    store = await openPostgresStore(proxy.through(url), { deadlineMs: 1000 });
    // So that every statement of a test is prepared on the connection it will use.
    await store.append([newEvent("first")]);
  });
  afterEach(async () => {
    await store.close();
    await proxy[Symbol.asyncDispose]();
  });

  test("an append that never arrived, or whose answer did not, is unknown; once it is sent again all is clear", async () => {
    for (const [fault, outcome] of [
      ["lose", "ACCEPTED"],
      ["execute", "DUPLICATE"],
      ["swallow", "DUPLICATE"],
    ] as const) {
      const events = newEvents(fault, 3);
      const happened = proxy.once("append", fault);
      expect(await failureOf(store.append(events))).toMatchObject({
        outcome: "unknown",
        reason: "unavailable",
      });
      await happened;
      const answers = await vi.waitFor(() => store.append(events), 10_000);
      expect(answers.map((answer) => answer.outcome)).toEqual([outcome, outcome, outcome]);
      expect(await store.lookup(events)).toEqual(
        answers.map(({ jobId }) => ({ outcome: "DUPLICATE", jobId })),
      );
    }
    expect((await store.counts()).byState.QUEUED).toBe(10);
  });

  test("a read whose answer is lost is not applied", async () => {
    await store.counts();
    for (const fault of ["lose", "execute", "swallow"] as const) {
      const happened = proxy.once("counts", fault);
      expect(await failureOf(store.counts())).toMatchObject({ outcome: "notApplied", reason: "unavailable" });
      await happened;
      await vi.waitFor(() => store.counts(), 10_000);
    }
  });

  test("what is never answered ends at the deadline, and the connection with it", async () => {
    proxy.silence();
    const start = performance.now();
    expect(await failureOf(store.append([newEvent("silent")]))).toMatchObject({
      outcome: "unknown",
      message: expect.stringContaining("no answer within 1000 ms"),
    });
    expect(performance.now() - start).toBeLessThan(5000);
    // New connections hear nothing either.
    await vi.waitFor(() => expect(store.health.writable).toBe(false), 10_000);
    expect(await failureOf(store.append([newEvent("silent")]))).toMatchObject({ outcome: "notApplied" });
    proxy.restore();
    await vi.waitFor(() => expect(store.health).toEqual({ writable: true }), 20_000);
    expect(await store.append([newEvent("silent")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  });

  for (const [fault, leased, attempt] of [
    ["lose", 1, 1],
    ["delay", 1, 1],
    ["execute", 6, 2],
    ["swallow", 6, 2],
  ] as const) {
    test(`no job stays with a session that never heard of its claim (${fault})`, async () => {
      await store.append(newEvents("job", 5));
      const session = await store.openSession("worker", 3_600_000);
      expect(await store.claim(session, 1)).toHaveLength(1);
      const happened = proxy.once("claim", fault);
      expect(await failureOf(store.claim(session, 10))).toMatchObject({ outcome: "unknown" });
      await vi.waitFor(async () => expect(await leases(url)).toBe(leased), 10_000);
      const again = await vi.waitFor(() => store.claim(session, 2), 10_000);
      expect(again.map((job) => job.attempt)).toEqual([attempt, attempt]);
      await happened;
      expect(await leases(url)).toBe(3);
      expect(await store.claim(session, 10)).toHaveLength(3);
    });
  }
});

async function leases(url: string): Promise<unknown> {
  const [row] = await execute(url, "SELECT count(*)::int AS n FROM ingest.lease");
  return row?.["n"];
}
