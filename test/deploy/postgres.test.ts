import { writeFileSync } from "node:fs";
import { execute, type PostgresServer, startPostgres } from "@event-ingestion/store-postgres/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

const signup = { type: "user.signup", payload: JSON.stringify({ email: "a@example.com" }) };

test("two replicas on one database are one service: each event is one job, done once, seen by both", async () => {
  const env = { STORE_URL: await postgres.createDatabase(), HANDLERS: `${root}examples/handlers.ts` };
  // At once, so that both find the database empty.
  const replicas = await Promise.all([startServer({ env }), startServer({ env })]);
  await using first = replicas[0];
  await using second = replicas[1];
  const services = [connect(first.url), connect(second.url)] as const;
  await Promise.all([untilReady(first.url), untilReady(second.url)]);

  const events = Array.from({ length: 200 }, (_, index) => ({ ...signup, eventId: `event-${index}` }));
  const answers = await Promise.all(services.map((service) => service.ingestBatch({ events })));
  const [here, there] = answers.map(({ results }) => results.map(({ jobId }) => jobId));
  expect(there).toEqual(here);
  expect(new Set(here).size).toBe(200);

  const done = { QUEUED: 0, RUNNING: 0, SUCCEEDED: 200 };
  for (const { url } of replicas) {
    await vi.waitFor(async () => expect(await jobsByState(url)).toMatchObject(done), 20_000);
  }
  for (const jobId of here ?? []) {
    const statuses = await Promise.all(services.map((service) => service.getStatus({ jobId })));
    for (const status of statuses) expect(status).toMatchObject({ status: "done", attempts: 1 });
  }
  expect(await Promise.all(replicas.map((replica) => replica.stop()))).toEqual([0, 0]);
});

test("what a replica held when it was killed is run by the other one", async () => {
  const env = {
    STORE_URL: await postgres.createDatabase(),
    HANDLERS: `${root}test/support/blocking-handlers.ts`,
    LEASE_MS: "1000",
  };
  const events = Array.from({ length: 20 }, (_, index) => ({ eventId: `held-${index}`, payload: "x" }));
  await using first = await startServer({ env: { ...env, BLOCK: "1" } });
  const { results } = await connect(first.url).ingestBatch({ events });
  await vi.waitFor(async () => expect(await jobsByState(first.url)).toMatchObject({ RUNNING: 20 }), 20_000);
  await first.stop("SIGKILL");

  await using second = await startServer({ env });
  const done = { QUEUED: 0, RUNNING: 0, SUCCEEDED: 20 };
  await vi.waitFor(async () => expect(await jobsByState(second.url)).toMatchObject(done), 20_000);
  for (const { jobId } of results) {
    expect(await connect(second.url).getStatus({ jobId })).toMatchObject({ status: "done", attempts: 2 });
  }
});

test("the URL comes from a file, and what is wrong with it is one line without the password", async () => {
  using dir = tempDir();
  const file = `${dir.path}/store-url`;
  const database = await postgres.createDatabase();
  writeFileSync(file, `${database}\n`);
  await using server = await startServer({ env: { STORE_URL_FILE: file, STORE_CONNECTIONS: "3" } });
  await untilReady(server.url);
  const load = Array.from({ length: 50 }, (_, index) =>
    connect(server.url).ingestBatch({ events: [{ eventId: `${index}`, payload: "x" }] }),
  );
  await Promise.all(load);
  const connections =
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
  const [row] = await execute(database, connections);
  expect(row?.["n"]).toBeLessThanOrEqual(3);
  expect(row?.["n"]).toBeGreaterThan(0);
  expect(server.log).toContainEqual(expect.objectContaining({ msg: "store opened", durability: "fsync" }));

  const missing = postgres.url("nowhere").replace("postgres@", "postgres:secret@");
  const failed = startServer({ env: { STORE_URL: missing } });
  await expect(failed).rejects.toThrow(
    /ended with code 1 [^\n]*\nevent-server: Postgres at 127\.0\.0\.1:\d+\/nowhere does not have that database \(SQLSTATE 3D000\)\n$/,
  );
});
