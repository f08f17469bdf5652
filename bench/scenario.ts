import type { Load, LoadResult } from "./load/run-load.ts";
import type { Database } from "./peers/queue.ts";
import type { Child } from "./process/child.ts";
import type { Server } from "./process/server.ts";

/** One row of the table: something that is set up afresh and measured in every round. */
export interface Scenario {
  /** Unique, in kebab-case; what --only selects by. */
  name: string;
  /** What is measured, in a few words. */
  title: string;
  /** "service": this project. "reference": a limit of the platform or the disk. "peer": what others would run instead. */
  kind: "service" | "reference" | "peer";
  /** What is counted, in the plural: events, calls, jobs. */
  unit: string;
  /** What a counted thing survives when its answer is out: "fsync" a power cut, "none" nothing. */
  durability: string;
  /** Default "each round". "first round": too long to repeat. "asked": too long to run unless --only selects it. */
  when?: "each round" | "first round" | "asked";
  /** How long a round may take in all. Default: four times warming up and measuring, and 40 s. */
  limitSeconds?: number;
  /** The server that `startService` starts. Default: the one built here. */
  service?: URL;
  /** Throws if it cannot run here; the table says why. */
  run: (bench: Bench) => Promise<Measurement>;
}

/** What a scenario gets for one round. All that it starts is ended after it. */
export interface Bench {
  /** An empty folder on a disk. */
  dir: string;
  /** How long to measure. */
  seconds: number;
  /** How long to let everything get warm before. */
  warmUpSeconds: number;
  /** How many jobs make a long queue. */
  backlog: number;
  /** The load generator: makes calls from a process of its own. */
  load: (load: Load) => Promise<LoadResult>;
  /** Starts a server in a process of its own. */
  startServer: (file: URL, env?: Record<string, string>) => Promise<Server>;
  /** Starts `event-server` on the SQLite file of this round, unless `env` names another store. */
  startService: (env?: Record<string, string>) => Promise<Server>;
  /** Starts another process that answers questions. */
  startChild: (file: URL, env?: Record<string, string>) => Child;
  /** Ends `resource` after the round. */
  own: <T extends AsyncDisposable>(resource: T) => T;
}

/** What a scenario found in one round. */
export interface Measurement {
  count: number;
  seconds: number;
  p50Ms?: number;
  p99Ms?: number;
  /** CPU time of what is measured, databases of others included. */
  cpuSeconds?: number;
  /** CPU time of the load generator. */
  loadCpuSeconds?: number;
  /** More figures, by name with unit. */
  also?: Record<string, number>;
  /** Names and versions of what took part, beside Node and SQLite. */
  versions?: Record<string, string>;
}

/**
 * The first connections that end, and the first that come after them, make V8 throw away much of what it had compiled for
 * connections that never do. A server that has been up for a while has seen both.
 */
export const warmUps = 3;

/** Lets the load run until it is warm, then measures it, with what the server's database does, if it has one. */
export async function measureLoad(
  bench: Bench,
  server: Server,
  load: Omit<Load, "url" | "until">,
  database?: Database,
): Promise<Measurement> {
  const { url } = server;
  for (let time = 0; time < warmUps; time++)
    await bench.load({ ...load, url, until: { seconds: bench.warmUpSeconds } });
  const before = await cpuSecondsOf([server], database);
  const result = await bench.load({ ...load, url, until: { seconds: bench.seconds } });
  const cpuSeconds = (await cpuSecondsOf([server], database)) - before;
  return { ...latencies(result), cpuSeconds, loadCpuSeconds: result.cpuSeconds };
}

/** CPU time of processes and of the database under them. */
export async function cpuSecondsOf(children: readonly Child[], database?: Database): Promise<number> {
  const usages = await Promise.all(children.map((child) => child.usage()));
  return usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, database?.cpuSeconds() ?? 0);
}

/** The part of what a load came to that is a row of the table. */
export function latencies({ count, seconds, p50Ms, p99Ms }: LoadResult): Measurement {
  return { count, seconds, p50Ms, p99Ms };
}
