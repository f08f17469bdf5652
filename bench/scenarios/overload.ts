import { setTimeout as sleep } from "node:timers/promises";
import type { Server } from "../process/server.ts";
import { latencies, type Scenario } from "../scenario.ts";

const times = 3;
const sampleMs = 20;
const batch = { protocol: "grpc", calls: { rpc: "IngestBatch", size: 1000 } } as const;

export default [
  {
    name: "overload",
    title: `IngestBatch of 1,000 at ${times} times the rate that 8 in flight reach; latencies of those accepted`,
    kind: "service",
    unit: "events",
    durability: "fsync",
    when: "first round",
    limitSeconds: 120,
    async run(bench) {
      const service = await bench.startService();
      const { url } = service;
      await bench.load({ ...batch, url, inFlight: 8, until: { seconds: bench.warmUpSeconds } });
      const calm = await bench.load({ ...batch, url, inFlight: 8, until: { seconds: bench.seconds } });
      const overload = bench.load({
        ...batch,
        url,
        inFlight: 1000,
        perSecond: (times * calm.count) / calm.seconds / batch.calls.size,
        mayRefuse: true,
        until: { seconds: 4 * bench.seconds },
      });
      const before = await service.usage();
      const [result, resident] = await Promise.all([overload, sampleMemory(service, overload)]);
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
          "refused batches": result.refused,
          "peak MiB": after.peakMiB,
          "memory growth": Math.max(...resident.slice(half)) / Math.max(...resident.slice(0, half)),
        },
      };
    },
  },
] satisfies Scenario[];

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
