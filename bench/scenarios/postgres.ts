import type { LoopResult } from "../load/loop.ts";
import { startPostgresDatabase } from "../peers/postgres.ts";
import type { Database } from "../peers/queue.ts";
import type { Measurement, Scenario } from "../scenario.ts";
import type { Appends } from "../servers/store-append.ts";

const durability = "fsync, Postgres";
const insert: Scenario = {
  name: "postgres-insert-1000",
  title: "Postgres by itself: INSERT of 1,000 such rows with a check for duplicates, on 4 connections",
  kind: "reference",
  unit: "events",
  durability,
  async run(bench) {
    const { seconds, warmUpSeconds } = bench;
    const database = bench.own(await startPostgresDatabase());
    const child = bench.startChild(new URL("../servers/postgres-insert.ts", import.meta.url));
    const appends: Appends = { url: database.url, size: 1000, inFlight: 4, warmUpSeconds, seconds };
    const { count, seconds: took, p50Ms, p99Ms } = await child.ask<LoopResult>("insert", appends);
    return told(database, { count, seconds: took, p50Ms, p99Ms });
  },
};

export default [insert];

function told({ versions }: Database, measurement: Measurement): Measurement {
  return { ...measurement, versions };
}
