import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobStore } from "@event-ingestion/store";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { newEvent, newEvents } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { execute, type PostgresServer, startPostgres } from "../testing/postgres-server.ts";

let server: PostgresServer;
let url: string;
let store: JobStore;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  url = await server.createDatabase();
  store = await openPostgresStore(url, { deadlineMs: 1000 });
  await store.append([newEvent("first")]);
});
afterEach(() => store.close());

const writable = () => vi.waitFor(() => expect(store.health).toEqual({ writable: true }), 20_000);
const unwritable = () => vi.waitFor(() => expect(store.health.writable).toBe(false), 20_000);

test("without its database the store refuses at once, asks ever less often, and goes on by itself", async () => {
  await server.stop();
  expect(await failureOf(store.append([newEvent("lost")]))).toMatchObject({ reason: "unavailable" });
  const refused = /^Postgres at 127\.0\.0\.1:\d+\/test_\d+ cannot be reached: ECONNREFUSED$/;
  await vi.waitFor(() => expect(store.health.reason).toMatch(refused), 20_000);
  expect(store.health.writable).toBe(false);

  let connections = 0;
  const counter = createServer((socket) => {
    connections++;
    socket.destroy();
  }).listen(server.port, "127.0.0.1");
  const start = performance.now();
  for (let calls = 0; performance.now() - start < 3000; calls++) {
    expect(await failureOf(store.append([newEvent("lost")]))).toMatchObject({ outcome: "notApplied" });
    expect(await failureOf(store.counts())).toMatchObject({ outcome: "notApplied", reason: "unavailable" });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(connections).toBeGreaterThan(0);
  expect(connections).toBeLessThan(8);
  await new Promise((resolve) => counter.close(resolve));

  await server.start();
  await writable();
  expect(await store.append([newEvent("lost")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  expect((await store.counts()).byState.QUEUED).toBe(2);
});

test("a server that stands still is unknown at the deadline, and used again when it moves", async () => {
  const event = newEvent("frozen");
  server.freeze();
  const start = performance.now();
  expect(await failureOf(store.append([event]))).toMatchObject({ outcome: "unknown", reason: "unavailable" });
  expect(performance.now() - start).toBeLessThan(5000);
  await unwritable();
  server.thaw();
  await writable();
  const [answer] = await store.append([event]);
  expect(await store.lookup([event])).toEqual([{ outcome: "DUPLICATE", jobId: answer?.jobId }]);
});

test("a crash of the server costs no commit, and none of its clients their store", async () => {
  const events = newEvents("before", 100);
  const answers = await store.append(events);
  await server.kill();
  await unwritable();
  await server.start();
  await writable();
  expect(await store.append(events)).toEqual(answers.map(({ jobId }) => ({ outcome: "DUPLICATE", jobId })));
});

test("sessions that an administrator ends cost the calls on them and no others", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.append([newEvent(`warm-${index}`)])));
  await execute(
    url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'event-ingestion' AND datname = current_database()",
  );
  await vi.waitFor(async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.append([newEvent(`again-${index}`)])),
    );
    expect(answers).toHaveLength(20);
  }, 20_000);
  expect(store.health).toEqual({ writable: true });
});

test("with no room for one more connection, those that are there go on", async () => {
  const [{ free } = { free: 0 }] = await execute(
    url,
    "SELECT current_setting('max_connections')::int - count(*)::int AS free FROM pg_stat_activity WHERE backend_type = 'client backend'",
  );
  const others = Array.from({ length: Number(free) }, () => new Client({ connectionString: server.url() }));
  for (const other of others) await other.connect();
  try {
    const events = Array.from({ length: 20 }, (_, index) => newEvent(`crowded-${index}`));
    const answers = await Promise.all(events.map((event) => store.append([event])));
    expect(answers.flat()).toMatchObject(events.map(() => ({ outcome: "ACCEPTED" })));
    expect(store.health).toEqual({ writable: true, reason: expect.stringContaining("SQLSTATE 53300") });
  } finally {
    for (const other of others) await other.end();
  }
});

test("a full disk: appends are not applied and then refused, reads go on, and so do appends once there is space", async () => {
  const events = newEvents("full", 3);
  await execute(
    url,
    `CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;
     CREATE TRIGGER full_disk BEFORE INSERT ON ingest.queue EXECUTE FUNCTION fill()`,
  );
  expect(await failureOf(store.append(events))).toMatchObject({
    outcome: "notApplied",
    reason: "unavailable",
  });
  expect(store.health).toEqual({ writable: false, reason: expect.stringContaining("has a full disk") });
  expect(await failureOf(store.append(events))).toMatchObject({ outcome: "notApplied" });
  expect(await store.lookup([newEvent("first"), ...events])).toMatchObject([
    { outcome: "DUPLICATE" },
    null,
    null,
    null,
  ]);
  expect((await store.counts()).byState.QUEUED).toBe(1);
  await execute(url, "DROP TRIGGER full_disk ON ingest.queue");
  await writable();
  expect(await store.append(events)).toMatchObject(events.map(() => ({ outcome: "ACCEPTED" })));
});

test("a file of the URL that goes away, or a password that is no longer right, refuses calls without blaming them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "postgres-files-"));
  const file = join(folder, "ca.pem");
  writeFileSync(file, "no TLS, so nobody looks into it");
  await execute(url, "CREATE ROLE passing LOGIN SUPERUSER");
  const passing = await openPostgresStore(
    `${url.replace("postgres@", "passing@")}?sslmode=disable&sslrootcert=${file}`,
  );
  const cut = () =>
    execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^pass'");
  const refused = async (reason: RegExp) => {
    await vi.waitFor(() => expect(passing.health.reason).toMatch(reason), 20_000);
    expect(passing.health.writable).toBe(false);
    const failure = { outcome: "notApplied", reason: "unavailable", message: expect.stringMatching(reason) };
    expect(await failureOf(passing.append([newEvent("refused")]))).toMatchObject(failure);
    expect(await failureOf(passing.counts())).toMatchObject(failure);
  };
  const accepted = () => vi.waitFor(() => expect(passing.health).toEqual({ writable: true }), 20_000);

  rmSync(file);
  await cut();
  await refused(/ca\.pem cannot be read \(ENOENT\)/);
  writeFileSync(file, "");
  await accepted();

  await execute(url, "ALTER ROLE passing RENAME TO passed");
  await cut();
  await refused(/refuses this user/);
  await execute(url, "ALTER ROLE passed RENAME TO passing");
  await accepted();
  expect(await passing.append([newEvent("refused")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  await passing.close();
  rmSync(folder, { recursive: true });
});
