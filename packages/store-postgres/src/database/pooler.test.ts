import { needs } from "@event-ingestion/needs";
import { describe, expect, test, vi } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { createDatabase } from "../testing/databases.ts";
import { newEvents } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { startPgBouncer } from "../testing/pgbouncer.ts";
import { sharedPostgres, sharedServer } from "../testing/shared-server.ts";

const server = sharedServer(18) ?? "";

describe("behind PgBouncer", needs("pgbouncer", sharedPostgres(18)), () => {
  test("in session mode everything works, also with fewer sessions than are wanted", async () => {
    await using pooler = await startPgBouncer(server, "session");
    const url = pooler.through(await createDatabase(server));
    const store = await openPostgresStore(url, { deadlineMs: 2000 });
    const events = newEvents("pooled", 40);
    await Promise.all(events.map((event) => store.append([event])));
    await Promise.all(events.map(() => store.counts()));
    const session = await store.openSession("worker", 60_000);
    const leased = await store.claim(session, 40);
    const verdicts = leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" }) as const);
    expect(await store.settle(session, verdicts)).toEqual(events.map(() => "ok"));
    expect(await store.get(leased.map(({ jobId }) => jobId))).toMatchObject(
      events.map(() => ({ state: "SUCCEEDED" })),
    );
    const reason = expect.stringContaining("no answer within 2000 ms");
    await vi.waitFor(() => expect(store.health).toEqual({ writable: true, reason }), 20_000);
    expect(await store.append(newEvents("more", 1))).toMatchObject([{ outcome: "ACCEPTED" }]);
    await store.close();
  });

  test("in transaction mode, where it mixes up prepared statements, the store is refused, whoever opened it before", async () => {
    await using pooler = await startPgBouncer(server, "transaction");
    const url = pooler.through(await createDatabase(server));
    for (const open of [1, 2]) {
      const opening = openPostgresStore(url);
      expect(await failureOf(opening), `opening ${open}`).toMatchObject({
        outcome: "notApplied",
        reason: "incompatible",
        message: expect.stringMatching(
          / is behind a pooler that mixes up prepared statements \(SQLSTATE (42P05|26000)\): let PgBouncer use session mode, or/,
        ),
      });
    }
  });
});
