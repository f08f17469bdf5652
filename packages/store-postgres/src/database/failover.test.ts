import { needs } from "@event-ingestion/needs";
import type { JobStore } from "@event-ingestion/store";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { newEvent } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { postgresOf } from "../testing/installation.ts";
import { createLedger } from "../testing/ledger.ts";
import { execute } from "../testing/postgres-server.ts";
import { type ReplicatedPostgres, startReplicatedPostgres } from "../testing/replicated-postgres.ts";

const keepAll = { workerLostLimit: 3, keepMs: { SUCCEEDED: 1e12, DEAD: 1e12, CANCELLED: 1e12 } };

for (const major of [18, 15]) {
  const postgresIsThere = needs(await postgresOf(major));

  describe(`Postgres ${major} whose commits wait for a standby`, postgresIsThere, () => {
    let postgres: ReplicatedPostgres;
    let url: string;
    let store: JobStore;

    beforeEach(async () => {
      postgres = await startReplicatedPostgres(major);
      url = await postgres.createDatabase();
      store = await openPostgresStore(url, { deadlineMs: 1000 });
      // So that there is a connection: one that is made now would be what waits for the standby.
      await store.append([newEvent("first")]);
    }, 60_000);
    afterEach(async () => {
      await store.close();
      await postgres[Symbol.asyncDispose]();
    }, 60_000);

    test("the primary is killed under load: the standby has every event that was acknowledged, under its id", async () => {
      expect(store.caps.durability).toBe("replica-fsync");
      const ledger = createLedger();
      const over = new AbortController();
      const producing = Promise.all([1, 2, 3, 4].map(() => ledger.produce(store, over.signal)));
      await vi.waitFor(() => expect(ledger.answered).toBeGreaterThan(500), 20_000);
      await postgres.primary.kill();
      await vi.waitFor(() => expect(store.health.writable).toBe(false), 20_000);
      const { answered } = ledger;
      await postgres.promote();
      // It would acknowledge what nobody else has, which is not what this store was opened for.
      await vi.waitFor(() => expect(store.health.reason).toContain("does not wait for a standby"), 20_000);
      expect(ledger.answered).toBe(answered);
      over.abort();
      await producing;

      const alone = await openPostgresStore(url);
      expect(alone.caps.durability).toBe("fsync");
      await ledger.check(alone);
      await ledger.clear(alone);
      await ledger.check(alone);
      await alone.close();
    });

    test("a commit whose wait is cancelled is no acknowledgement, and no retry is answered before the standby has it", async () => {
      for (const [index, end] of ["pg_cancel_backend", "pg_terminate_backend"].entries()) {
        const event = newEvent(end);
        await store.append([newEvent(`before ${end}`)]);
        await postgres.standby.kill();
        const answer = failureOf(store.append([event]));
        await untilWaiting(postgres, 1);
        await execute(
          postgres.primary.url(),
          `SELECT ${end}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
        );
        expect(await answer).toMatchObject({ outcome: "unknown", reason: "unavailable" });
        // Its row can be seen now, on the primary only.
        const [row] = await execute(primaryOf(url), "SELECT count(*)::int AS n FROM ingest.job");
        expect(row).toEqual({ n: 2 * index + 3 });
        expect(await failureOf(store.append([event]))).toMatchObject({ reason: "unavailable" });
        expect(await failureOf(store.lookup([event]))).toMatchObject({ reason: "unavailable" });
        await postgres.standby.start();
        const [again] = await vi.waitFor(() => store.append([event]), 20_000);
        expect(again?.outcome).toBe("DUPLICATE");
      }
    });

    test("after a restart without the standby nothing is said about what it may not have", async () => {
      const event = newEvent("before the crash");
      await postgres.standby.kill();
      const answer = failureOf(store.append([event]));
      await untilWaiting(postgres, 1);
      await postgres.primary.kill();
      expect(await answer).toMatchObject({ outcome: "unknown" });
      await postgres.primary.start();
      const [row] = await execute(primaryOf(url), "SELECT count(*)::int AS n FROM ingest.job");
      expect(row).toEqual({ n: 2 });
      await vi.waitFor(() => expect(store.health.reason).toContain("no answer within"), 20_000);
      expect(await failureOf(store.append([event]))).toMatchObject({ outcome: "notApplied" });
      expect(await failureOf(store.lookup([event]))).toMatchObject({ outcome: "notApplied" });
      await postgres.standby.start();
      const [again] = await vi.waitFor(() => store.append([event]), 20_000);
      expect(again?.outcome).toBe("DUPLICATE");
    });

    test("when commits stop waiting, the store stops, until they wait again", async () => {
      await store.maintain(keepAll);
      await waitFor(url, "");
      await vi.waitFor(
        async () =>
          expect(await failureOf(store.maintain(keepAll))).toMatchObject({ reason: "incompatible" }),
        20_000,
      );
      expect(store.health.writable).toBe(false);
      expect(await failureOf(store.append([newEvent("alone")]))).toMatchObject({ outcome: "notApplied" });
      await waitFor(url, "standby");
      await vi.waitFor(() => expect(store.health.writable).toBe(true), 20_000);
      expect(await store.append([newEvent("alone")])).toMatchObject([{ outcome: "ACCEPTED" }]);
    });
  });
}

/** The same database, on the primary only. */
function primaryOf(url: string): string {
  return url.replace(/,[^/]*/, "");
}

/** Whom commits wait for from now on; "": nobody. */
async function waitFor(url: string, names: string): Promise<void> {
  await execute(primaryOf(url), `ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
  await execute(primaryOf(url), "SELECT pg_reload_conf()");
}

async function untilWaiting({ primary }: ReplicatedPostgres, commits: number): Promise<void> {
  const count = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  await vi.waitFor(async () => expect(await execute(primary.url(), count)).toEqual([{ n: commits }]), 20_000);
}
