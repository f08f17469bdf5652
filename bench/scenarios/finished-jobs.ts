import { startPostgresDatabase } from "../peers/postgres.ts";
import type { Database } from "../peers/queue.ts";
import { type Bench, cpuSecondsOf, type Measurement, type Scenario } from "../scenario.ts";
import type { Claims } from "../servers/store-claims.ts";

const backlogs = 5;
const common = { kind: "service", unit: "jobs", when: "asked", limitSeconds: 3600 } as const;
const title = `${backlogs} long queues are worked off in the store by itself; claims of 100 before and after beside`;

export default [
  {
    ...common,
    name: "finished-jobs",
    title: `store-sqlite: ${title}`,
    durability: "fsync",
    run: (bench) => measureClaims(bench, `sqlite:${bench.dir}/events.db`),
  },
  {
    ...common,
    name: "postgres-finished-jobs",
    title: `store-postgres: ${title}`,
    durability: "fsync, Postgres",
    async run(bench) {
      const database = await startPostgresDatabase(bench);
      const { versions } = database;
      return { ...(await measureClaims(bench, database.url, database)), versions };
    },
  },
] satisfies Scenario[];

async function measureClaims(bench: Bench, url: string, database?: Database): Promise<Measurement> {
  const child = bench.startChild(new URL("../servers/store-claims.ts", import.meta.url));
  const finished = backlogs * bench.backlog;
  const { seconds, beforeMs, afterMs } = await child.ask<Claims>("claims", { url, finished });
  return {
    count: finished,
    seconds,
    cpuSeconds: await cpuSecondsOf([child], database),
    also: {
      "claim ms before": beforeMs,
      "claim ms after": afterMs,
      "after / before": afterMs / beforeMs,
    },
  };
}
