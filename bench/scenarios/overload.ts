import { setTimeout as sleep } from "node:timers/promises";
import type { Load } from "../load/run-load.ts";
import type { Server } from "../process/server.ts";
import { latencies, type Scenario, warmUps } from "../scenario.ts";

const times = 3;
const sampleMs = 20;

/** More than the service can do, and what it makes of that beside calm. */
interface Overload {
  name: string;
  title: string;
  calls: Load["calls"];
  /** Calls in flight when calm. */
  calm: number;
  /** Calls in flight at most when overloaded. */
  most: number;
}

export default [
  overload({
    name: "overload",
    title: `IngestBatch of 1,000 at ${times} times the rate that 8 in flight reach; latencies of those accepted`,
    calls: { rpc: "IngestBatch", size: 1000 },
    calm: 8,
    most: 1000,
  }),
  overload({
    name: "overload-calls",
    title: `IngestEvent at ${times} times the rate that 100 in flight reach, 300 in flight at most`,
    calls: { rpc: "IngestEvent" },
    calm: 100,
    most: 300,
  }),
];

function overload({ name, title, calls, calm: calmInFlight, most }: Overload): Scenario {
  const eventsPerCall = "size" in calls ? calls.size : 1;
  return {
    name,
    title,
    kind: "service",
    unit: "events",
    durability: "fsync",
    when: "first round",
    limitSeconds: 120,
    async run(bench) {
      const service = await bench.startService();
      const load = { url: service.url, protocol: "grpc", calls } as const;
      const calmLoad = (seconds: number) => ({ ...load, inFlight: calmInFlight, until: { seconds } });
      for (let time = 0; time < warmUps; time++) await bench.load(calmLoad(bench.warmUpSeconds));
      const calm = await bench.load(calmLoad(bench.seconds));
      const overloaded = bench.load({
        ...load,
        inFlight: most,
        perSecond: (times * calm.count) / calm.seconds / eventsPerCall,
        mayRefuse: true,
        until: { seconds: 4 * bench.seconds },
      });
      const before = await service.usage();
      const [result, resident] = await Promise.all([overloaded, sampleMemory(service, overloaded)]);
      const after = await service.usage();
      const half = Math.ceil(resident.length / 2);
      return {
        ...latencies(result),
        cpuSeconds: after.cpuSeconds - before.cpuSeconds,
        loadCpuSeconds: result.cpuSeconds,
        also: {
          "calm events/s": calm.count / calm.seconds,
          "calm p99 ms": calm.p99Ms,
          "p99 / calm p99": result.p99Ms / calm.p99Ms,
          "refused calls": result.refused,
          "peak MiB": after.peakMiB,
          "memory growth": Math.max(...resident.slice(half)) / Math.max(...resident.slice(0, half)),
        },
      };
    },
  };
}

/** What the server holds, every 20 ms until `until` settles. */
async function sampleMemory(server: Server, until: Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  const over = until.then(
    () => true,
    () => true,
  );
  do samples.push((await server.usage()).residentMiB);
  while (!(await Promise.race([over, sleep(sampleMs, false)])));
  return samples;
}
