import type { Child } from "./child.ts";
import type { LoopResult } from "./closed-loop.ts";
import type { Load, LoadResult } from "./load/run-load.ts";
import type { Server } from "./server.ts";

/** One row of the table: something that is set up afresh and measured in every round. */
export interface Scenario {
  /** Unique, in kebab-case; what --only selects by. */
  name: string;
  /** What is measured, in a few words. */
  title: string;
  /** "service": this project. "reference": what the service is compared with. "peer": another project's product. */
  kind: "service" | "reference" | "peer";
  /** What is counted, in the plural: events, calls, jobs. */
  unit: string;
  /** What a counted thing survives when its answer is out: a power cut, or nothing was stored at all. */
  durability: "fsync" | "none";
  /** The name of the scenario whose rate this one is divided by. */
  against?: string;
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
  /** The load generator: makes calls from a process of its own. */
  load: (load: Load) => Promise<LoadResult>;
  /** Starts a server in a process of its own. */
  startServer: (file: URL, env?: Record<string, string>) => Promise<Server>;
  /** Starts `event-server` on an empty SQLite file. */
  startService: (env?: Record<string, string>) => Promise<Server>;
  /** Starts another process that answers questions. */
  startChild: (file: URL) => Child;
}

/** What a scenario found in one round. */
export interface Measurement extends Omit<LoopResult, "cpuSeconds"> {
  /** CPU time of the process that is measured. */
  cpuSeconds?: number;
  /** CPU time of the load generator. */
  loadCpuSeconds?: number;
}

/** Lets the load run until it is warm, then measures it. */
export async function measureLoad(
  bench: Bench,
  { url, cpuSeconds }: Server,
  load: Omit<Load, "url" | "until">,
): Promise<Measurement> {
  await bench.load({ ...load, url, until: { seconds: bench.warmUpSeconds } });
  const before = await cpuSeconds();
  const {
    jobIds: _,
    cpuSeconds: loadCpuSeconds,
    ...result
  } = await bench.load({
    ...load,
    url,
    until: { seconds: bench.seconds },
  });
  return { ...result, cpuSeconds: (await cpuSeconds()) - before, loadCpuSeconds };
}
