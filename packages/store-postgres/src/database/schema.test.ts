import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { connect } from "./connection.ts";
import { parseHosts } from "./hosts.ts";
import { openPostgresStore } from "../postgres-store.ts";
import { migrate } from "./schema.ts";
import { createDatabase } from "../testing/databases.ts";
import { newEvent } from "../testing/events.ts";
import { failureOf } from "../testing/failure.ts";
import { execute } from "../testing/postgres-server.ts";
import { sharedPostgres, sharedServer } from "../testing/shared-server.ts";

const server = sharedServer(18);
const steps = [
  "CREATE TABLE ingest.meta (k text PRIMARY KEY, v text NOT NULL); CREATE TABLE ingest.step (n int)",
  "INSERT INTO ingest.step VALUES (2)",
  "INSERT INTO ingest.step VALUES (3)",
];
const stepsOf = (url: string) => execute(url, "SELECT array_agg(n ORDER BY n) AS steps FROM ingest.step");

async function migrateBy(url: string, migrations: readonly string[]): Promise<void> {
  const [host] = parseHosts(url);
  if (host === undefined) throw new Error("no host");
  const connection = await connect(host, 10_000);
  try {
    await connection.transaction((query) => migrate(query, migrations));
  } finally {
    await connection.end();
  }
}

describe("the tables", needs(sharedPostgres(18)), () => {
  test("come from every older version to the newest, step by step, each step once", async () => {
    for (const from of [0, 1, 2, 3]) {
      const url = await createDatabase(server ?? "");
      if (from > 0) await migrateBy(url, steps.slice(0, from));
      await Promise.all([1, 2, 3, 4, 5].map(() => migrateBy(url, steps)));
      expect(await stepsOf(url)).toEqual([{ steps: [2, 3] }]);
      expect(await execute(url, "SELECT v FROM ingest.meta")).toEqual([{ v: "3" }]);
    }
  });

  test("stay as they were when a step fails", async () => {
    const url = await createDatabase(server ?? "");
    await migrateBy(url, steps.slice(0, 1));
    const broken = [...steps, "INSERT INTO ingest.nowhere VALUES (4)"];
    expect(await failureOf(migrateBy(url, broken))).toMatchObject({ outcome: "notApplied" });
    expect(await stepsOf(url)).toEqual([{ steps: null }]);
    expect(await execute(url, "SELECT v FROM ingest.meta")).toEqual([{ v: "1" }]);
  });

  test("are made anew by no later opening", async () => {
    const url = await createDatabase(server ?? "");
    for (const outcome of ["ACCEPTED", "DUPLICATE", "DUPLICATE"]) {
      const store = await openPostgresStore(url);
      expect(await store.append([newEvent("one")])).toMatchObject([{ outcome }]);
      await store.close();
    }
  });
});
