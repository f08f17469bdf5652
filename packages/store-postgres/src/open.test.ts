import { createServer } from "node:net";
import { StoreError } from "@event-ingestion/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore, type PostgresOptions } from "./postgres-store.ts";
import { newEvent } from "./testing/events.ts";
import { failureOf } from "./testing/failure.ts";
import { execute, type PostgresServer, startPostgres } from "./testing/postgres-server.ts";

let server: PostgresServer;
beforeAll(async () => {
  const access = [
    "host all guarded 127.0.0.1/32 scram-sha-256",
    "hostssl all remote all trust",
    "host all remote all reject",
  ];
  server = await startPostgres({ access });
  await execute(
    server.url(),
    "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE modest LOGIN; CREATE ROLE remote LOGIN; CREATE ROLE idle",
  );
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** The database as that user. */
const as = (user: string, url: string) => url.replace("postgres@", `${user}@`);

/** Why it is not opened: one line, from which nobody learns a password. */
async function refusalOf(url: string): Promise<string> {
  const error = await failureOf(openPostgresStore(url, { deadlineMs: 500 }));
  if (!(error instanceof StoreError)) throw error;
  expect(error.outcome).toBe("notApplied");
  expect(error.message).not.toMatch(/\n|wrong/);
  return `${error.reason}: ${error.message}`;
}

describe("opening what cannot be a store is refused in one line", () => {
  test("nobody there, or nobody who answers", async () => {
    const mute = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const address = mute.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    expect(await refusalOf(`postgres://127.0.0.1:${port}/x`)).toMatch(
      /^unavailable: Postgres at 127\.0\.0\.1:\d+\/x did not answer within 500 ms$/,
    );
    mute.close();
    expect(await refusalOf(`postgres://127.0.0.1:1/x`)).toMatch(
      /^unavailable: Postgres at 127\.0\.0\.1:1\/x cannot be reached: ECONNREFUSED$/,
    );
  });

  test("a wrong password, no such database, no rights", async () => {
    const url = await server.createDatabase();
    expect(await refusalOf(as("guarded:wrong", url))).toMatch(
      /^invalid: .*refuses the user or the password \(SQLSTATE 28P01\)$/,
    );
    expect(await refusalOf(server.url("nowhere"))).toMatch(
      /^invalid: .*nowhere does not have that database \(SQLSTATE 3D000\)$/,
    );
    expect(await refusalOf(as("modest", url))).toMatch(
      /^invalid: user modest may not create schema ingest in database test_\d+: grant CREATE/,
    );
    await (await openPostgresStore(url)).close();
    expect(await refusalOf(as("modest", url))).toMatch(
      /^invalid: user modest does not own schema ingest of database test_\d+ and its tables$/,
    );
  });

  test("a user that may not come in from here, or without TLS, is not a wrong password", async () => {
    const url = await server.createDatabase();
    expect(await refusalOf(as("remote:wrong", url))).toMatch(
      /^invalid: .* does not let this user in from here \(SQLSTATE 28000\): pg_hba\.conf decides .*sslmode=verify-full$/,
    );
    for (const user of ["idle", "nobody"]) {
      expect(await refusalOf(as(user, url))).toMatch(
        /^invalid: .* refuses this user: it is unknown, .* \(SQLSTATE 28000\)$/,
      );
    }
  });

  test("what the driver does not take: a file that is not there, or no certificate; a parameter", async () => {
    const url = await server.createDatabase();
    for (const name of ["sslrootcert", "sslcert", "sslkey"]) {
      expect(await refusalOf(`${url}?${name}=/nonexistent/x.pem`)).toMatch(
        /^unavailable: no connection to .*: \/nonexistent\/x\.pem cannot be read \(ENOENT\); sslrootcert, .* name files$/,
      );
    }
    expect(await refusalOf(`${url}?sslnegotiation=soon`)).toMatch(/^invalid: .* the store URL is refused: /);
    expect(await refusalOf(`${url}?port=none`)).toMatch(/^unavailable: .* cannot be reached: /);
  });

  test("a schema of somebody else, or of a newer version", async () => {
    const foreign = await server.createDatabase();
    await execute(foreign, "CREATE SCHEMA ingest; CREATE TABLE ingest.thing()");
    expect(await refusalOf(foreign)).toMatch(
      /^incompatible: schema ingest of database test_\d+ belongs to another program$/,
    );
    const similar = await server.createDatabase();
    await execute(similar, "CREATE SCHEMA ingest; CREATE TABLE ingest.meta(a int)");
    expect(await refusalOf(similar)).toMatch(
      /^incompatible: schema ingest of database test_\d+ belongs to another program$/,
    );
    const newer = await server.createDatabase();
    await (await openPostgresStore(newer)).close();
    await execute(newer, "UPDATE ingest.meta SET v = '2' WHERE k = 'schema'");
    expect(await refusalOf(newer)).toMatch(
      /^incompatible: schema ingest of database test_\d+ has version 2, this program knows versions up to 1$/,
    );
    expect(await execute(newer, "SELECT v FROM ingest.meta WHERE k = 'schema'")).toEqual([{ v: "2" }]);
  });

  test("a server that is read-only, or would not keep what it is given", async () => {
    const url = await server.createDatabase();
    const name = new URL(url).pathname.slice(1);
    for (const [setting, value, wanted] of [
      ["default_transaction_read_only", "on", /^unavailable: .* is read-only$/],
      [
        "synchronous_commit",
        "off",
        /^incompatible: .* has synchronous_commit = off; it must be on or remote_apply, or events would be lost/,
      ],
      ["synchronous_commit", "local", /^incompatible: .* has synchronous_commit = local; it must be/],
    ] as const) {
      await execute(server.url(), `ALTER DATABASE ${name} SET ${setting} = ${value}`);
      expect(await refusalOf(url)).toMatch(wanted);
      await execute(server.url(), `ALTER DATABASE ${name} RESET ${setting}`);
    }
    await execute(server.url(), "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'");
    expect(await refusalOf(server.url("latin"))).toMatch(
      /^incompatible: .*has server_encoding = LATIN1; it must be UTF8/,
    );
    for (const setting of ["fsync", "full_page_writes"]) {
      await using unsafe = await startPostgres({ settings: { [setting]: "off" } });
      const message = `has ${setting} = off; it must be on, or events would be lost`;
      expect(await refusalOf(unsafe.url())).toMatch(new RegExp(`^incompatible: .* ${message}`));
    }
  });

  test("a broken URL or option", async () => {
    expect(await refusalOf("postgres://me:wrong@host:port/x")).toMatch(
      /^invalid: the store URL is malformed; it is postgres:\/\/USER/,
    );
    for (const [options, message] of [
      [{ writers: 0 }, "writers must be a whole number from 1 to 100, got 0"],
      [{ connections: 1.5 }, "connections must be a whole number from 1 to 100, got 1.5"],
      [{ deadlineMs: 99 }, "deadlineMs must be a whole number from 100 to 600000, got 99"],
    ] as [PostgresOptions, string][]) {
      expect(await failureOf(openPostgresStore(server.url(), options))).toMatchObject({
        reason: "invalid",
        message,
      });
    }
  });
});

test("what is accepted: a password, a schema that an administrator made, settings of the role that would do harm", async () => {
  const guarded = await server.createDatabase();
  await execute(guarded, "GRANT CREATE ON DATABASE " + new URL(guarded).pathname.slice(1) + " TO guarded");
  const modest = await server.createDatabase();
  await execute(modest, "CREATE SCHEMA ingest AUTHORIZATION modest");
  await execute(server.url(), "ALTER ROLE modest SET default_transaction_isolation = 'serializable'");
  await execute(server.url(), "ALTER ROLE modest SET client_min_messages = 'error'");
  for (const url of [as("guarded:right", guarded), as("modest", modest)]) {
    const store = await openPostgresStore(url);
    expect(store.caps).toEqual({
      durability: "fsync",
      exclusive: false,
      writers: 4,
      maxBatch: 1000,
      maxBatchBytes: 16_777_216,
      maxPayloadBytes: 1_048_576,
    });
    expect(await store.append([newEvent("one")])).toMatchObject([{ outcome: "ACCEPTED" }]);
    await store.close();
  }
});

test("10 replicas find an empty database at once: one makes the tables, all open", async () => {
  const url = await server.createDatabase();
  const stores = await Promise.all(Array.from({ length: 10 }, () => openPostgresStore(url)));
  const answers = await Promise.all(stores.map((store) => store.append([newEvent("the same")])));
  const ids = new Set(answers.flat().map(({ jobId }) => jobId));
  expect(ids.size).toBe(1);
  for (const store of stores) await store.close();
});

test("the first of several hosts that is the primary is the one, and all are named if none is", async () => {
  const url = await server.createDatabase();
  const { host, pathname } = new URL(url);
  const store = await openPostgresStore(`postgres://postgres@127.0.0.1:1,${host}${pathname}`);
  expect(await store.append([newEvent("one")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  await store.close();
  expect(await refusalOf(`postgres://postgres@127.0.0.1:1,${host}/nowhere`)).toMatch(
    /^unavailable: Postgres at 127\.0\.0\.1:1\/nowhere cannot be reached: ECONNREFUSED; Postgres at .* does not have that database/,
  );
});

test("connections are as many as allowed, and all are given back", async () => {
  const url = await server.createDatabase();
  const store = await openPostgresStore(url, { writers: 2, connections: 3 });
  const count = async () => {
    const [row] = await execute(
      url,
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'event-ingestion' AND datname = current_database()",
    );
    return row?.["n"];
  };
  const calls = Array.from({ length: 50 }, (_, index) => [
    store.append([newEvent(`event-${index}`)]),
    store.counts(),
  ]);
  await Promise.all(calls.flat());
  expect(await count()).toBe(5);
  await store.close();
  expect(await count()).toBe(0);
  expect(await failureOf(store.counts())).toMatchObject({ outcome: "notApplied", reason: "unavailable" });
});
