import { findPackageJSON } from "node:module";
import { readFileSync } from "node:fs";
import type { LoopResult } from "../load/loop.ts";
import { startPostgresDatabase } from "../peers/postgres.ts";
import type { Database } from "../peers/queue.ts";
import { startRedis } from "../peers/redis.ts";
import { type Bench, cpuSecondsOf, type Measurement, type Scenario, warmUps } from "../scenario.ts";

/** Another product that takes jobs and works them off, with the database under it. */
interface Peer {
  name: string;
  /** The package, and the file in peers/ that speaks to it. */
  product: string;
  durability: string;
  startDatabase: (bench: Bench) => Promise<Database>;
  /** A guess at what is done in a second, as for the service. */
  jobsPerSecond: number;
}

const postgres = { startDatabase: startPostgresDatabase, durability: "fsync, Postgres" };

const redis = (appendfsync: "always" | "everysec") => (bench: Bench) => startRedis(bench, appendfsync);

const peers: readonly Peer[] = [
  { ...postgres, name: "graphile-worker", product: "graphile-worker", jobsPerSecond: 15_000 },
  { ...postgres, name: "pg-boss", product: "pg-boss", jobsPerSecond: 12_000 },
  {
    name: "bullmq",
    product: "bullmq",
    durability: "fsync, Redis AOF always",
    startDatabase: redis("always"),
    jobsPerSecond: 8000,
  },
  {
    name: "bullmq-everysec",
    product: "bullmq",
    durability: "Redis AOF everysec: the last second may be lost",
    startDatabase: redis("everysec"),
    jobsPerSecond: 8000,
  },
];

const manyCallers = 250;
const calmPerSecond = 100;

export default peers.flatMap((peer): Scenario[] => [
  measure(peer, "add", {
    title: `single jobs added by ${manyCallers} callers`,
    // As long as the service, which they are compared with.
    warmUps,
    options: ({ seconds }) => ({ inFlight: manyCallers, seconds }),
  }),
  measure(peer, "toDone", {
    title: "1,000 at once until all jobs are done, no-op handler; latencies of adding",
    options: ({ seconds }) => ({ count: Math.ceil(seconds * peer.jobsPerSecond) }),
  }),
  measure(peer, "start", {
    title: `${calmPerSecond} jobs a second; latencies from added to handler start`,
    options: ({ seconds }) => ({ perSecond: calmPerSecond, seconds: 2 * seconds }),
  }),
]);

/** Asks the queue's process for `question`, once to get warm and once to measure. */
function measure(
  peer: Peer,
  question: "add" | "toDone" | "start",
  asked: { title: string; warmUps?: number; options: (time: { seconds: number }) => object },
): Scenario {
  const { name, product, durability } = peer;
  const { title, warmUps: times = 1, options } = asked;
  const kebab = { add: "add", toDone: "to-done", start: "start" }[question];
  return {
    name: `${name}-${kebab}`,
    title: `${product}, ${title}`,
    kind: "peer",
    unit: "jobs",
    durability,
    async run(bench: Bench): Promise<Measurement> {
      const database = await peer.startDatabase(bench);
      const child = bench.startChild(new URL("../peers/queue-process.ts", import.meta.url), {
        QUEUE: `${product}.ts`,
        DATABASE: database.url,
      });
      await child.ask(question, options({ seconds: times * bench.warmUpSeconds }));
      const before = await cpuSecondsOf([child], database);
      const { count, seconds, p50Ms, p99Ms } = await child.ask<LoopResult>(question, options(bench));
      return {
        count,
        seconds,
        p50Ms,
        p99Ms,
        cpuSeconds: (await cpuSecondsOf([child], database)) - before,
        versions: { [product]: versionOf(product), ...database.versions },
      };
    },
  };
}

function versionOf(product: string): string {
  const path = findPackageJSON(product, import.meta.url);
  if (path === undefined) throw new Error(`${product} is not installed`);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
