import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { newEvent } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { execute, type PostgresServer, startPostgres } from "../testing/postgres-server.ts";

const advice =
  /has no connection left for this program \(SQLSTATE 53300\): raise max_connections .*\(STORE_CONNECTIONS\)$/;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ settings: { max_connections: "12", superuser_reserved_connections: "3" } });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A new database, whose owner may have so many connections. */
async function databaseWithRoomFor(limit: number) {
  const url = new URL(await server.createDatabase());
  const role = `role_${randomUUID().replaceAll("-", "")}`;
  const database = url.pathname.slice(1);
  await execute(
    server.url(),
    `CREATE ROLE ${role} LOGIN CONNECTION LIMIT ${limit}; ALTER DATABASE ${database} OWNER TO ${role}`,
  );
  const admin = url.href;
  url.username = role;
  return { role, url: url.href, admin };
}

describe.each([1, 2, 3])("with room for %i connections of the 10 that are wanted", (limit) => {
  test("every call gets its turn, whatever came first, and health says what to do", async () => {
    const { url, role } = await databaseWithRoomFor(limit);
    const store = await openPostgresStore(url);
    // Enough calls of the one kind to take all connections, and then of the other.
    await Promise.all(Array.from({ length: 10 }, () => store.counts()));
    const events = Array.from({ length: 40 }, (_, index) => newEvent(`event-${index}`));
    const answers = await Promise.all([
      ...events.map((event) => store.append([event])),
      ...events.map(() => store.counts()),
    ]);
    expect(answers).toHaveLength(80);
    for (const index of [1, 2, 3]) {
      expect(await store.append([newEvent(`alone-${index}`)])).toMatchObject([{ outcome: "ACCEPTED" }]);
    }
    expect(store.health).toEqual({ writable: true, reason: expect.stringMatching(advice) });

    await execute(server.url(), `ALTER ROLE ${role} CONNECTION LIMIT -1`);
    await vi.waitFor(() => expect(store.health).toEqual({ writable: true }), 20_000);
    await store.close();
  });
});

test("without room for any connection nothing is opened, and the reason says what to do", async () => {
  const { url } = await databaseWithRoomFor(0);
  expect(await failureOf(openPostgresStore(url))).toMatchObject({
    outcome: "notApplied",
    reason: "unavailable",
    message: expect.stringMatching(advice),
  });
});

test("when others have taken the last connection the store is unwritable, says why, and goes on once there is room", async () => {
  const { url, role, admin } = await databaseWithRoomFor(3);
  const store = await openPostgresStore(url);
  await store.append([newEvent("before")]);
  const other = new Client({ connectionString: url });
  await other.connect();
  await execute(server.url(), `ALTER ROLE ${role} CONNECTION LIMIT 1`);
  await execute(
    admin,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}' AND application_name = 'event-ingestion'`,
  );
  await vi.waitFor(
    () => expect(store.health).toEqual({ writable: false, reason: expect.stringMatching(advice) }),
    20_000,
  );
  expect(await failureOf(store.append([newEvent("crowded")]))).toMatchObject({ outcome: "notApplied" });
  expect(await failureOf(store.counts())).toMatchObject({ reason: "unavailable" });
  await other.end();
  await vi.waitFor(() => expect(store.health.writable).toBe(true), 20_000);
  expect(await store.append([newEvent("crowded")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  await store.close();
});
