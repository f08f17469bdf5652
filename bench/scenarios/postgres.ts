import type { LoopResult } from "../load/loop.ts";
import { startPostgresDatabase } from "../peers/postgres.ts";
import type { Database } from "../peers/queue.ts";
import { type Measurement, measureLoad, type Scenario, warmUps } from "../scenario.ts";
import type { Appends } from "../servers/store-append.ts";
import { measureToDone, noopHandlers } from "../to-done.ts";

const durability = "fsync, Postgres";
const jobsPerSecond = 15_000;

const batches: Scenario = {
  name: "postgres-batch-1000",
  title: "IngestBatch of 1,000, gRPC, 8 calls in flight, over Postgres",
  kind: "service",
  unit: "events",
  durability,
  async run(bench) {
    const database = await startPostgresDatabase(bench);
    const service = await bench.startService({ STORE_URL: database.url });
    const load = { protocol: "grpc", calls: { rpc: "IngestBatch", size: 1000 }, inFlight: 8 } as const;
    return told(database, await measureLoad(bench, service, load, database));
  },
};

/** No-op handlers in so many servers over one database. */
function toDone(name: string, servers: 1 | 2, title: string): Scenario {
  return {
    name,
    title,
    kind: "service",
    unit: "jobs",
    durability,
    async run(bench) {
      const database = await startPostgresDatabase(bench);
      const start = () => bench.startService({ STORE_URL: database.url, ...noopHandlers });
      const first = await start();
      const services = servers === 1 ? ([first] as const) : ([first, await start()] as const);
      return told(database, await measureToDone(bench, services, { jobsPerSecond, database }));
    },
  };
}

const insert: Scenario = {
  name: "postgres-insert-1000",
  title: "Postgres by itself: INSERT of 1,000 such rows with a check for duplicates, on 4 connections",
  kind: "reference",
  unit: "events",
  durability,
  async run(bench) {
    const { seconds } = bench;
    const warmUpSeconds = warmUps * bench.warmUpSeconds;
    const database = await startPostgresDatabase(bench);
    const child = bench.startChild(new URL("../servers/postgres-insert.ts", import.meta.url));
    const appends: Appends = { url: database.url, size: 1000, inFlight: 4, warmUpSeconds, seconds };
    const { count, seconds: took, p50Ms, p99Ms } = await child.ask<LoopResult>("insert", appends);
    return told(database, { count, seconds: took, p50Ms, p99Ms });
  },
};

export default [
  batches,
  toDone("postgres-to-done", 1, "IngestBatch of 1,000 until all jobs are done, no-op handler, over Postgres"),
  toDone(
    "postgres-two-replicas",
    2,
    "IngestBatch of 1,000 until all jobs are done, no-op handler, by two servers over one Postgres",
  ),
  insert,
];

function told({ versions }: Database, measurement: Measurement): Measurement {
  return { ...measurement, versions };
}
