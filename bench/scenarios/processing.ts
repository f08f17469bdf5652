import { untilSucceeded } from "../process/succeeded.ts";
import type { Scenario } from "../scenario.ts";
import type { StartLatencies } from "../servers/timing-handlers.ts";
import { handlers, measureToDone, noopHandlers } from "../to-done.ts";

const jobsPerSecond = 20_000;
const calmPerSecond = 100;

const toDone: Scenario = {
  name: "ingest-to-done",
  title: "IngestBatch of 1,000 until all jobs are done, no-op handler; latencies from stored to done",
  kind: "service",
  unit: "jobs",
  durability: "fsync",
  run: async (bench) => measureToDone(bench, [await bench.startService(noopHandlers)], { jobsPerSecond }),
};

const startLatency: Scenario = {
  name: "start-latency",
  title: `IngestEvent at ${calmPerSecond} a second; latencies from sent to handler start`,
  kind: "service",
  unit: "jobs",
  durability: "fsync",
  async run(bench) {
    const service = await bench.startService(handlers("timing-handlers.ts"));
    const send = (seconds: number) =>
      bench.load({
        url: service.url,
        protocol: "grpc",
        calls: { rpc: "IngestEvent", eventIds: "time" },
        perSecond: calmPerSecond,
        inFlight: 1000,
        until: { seconds },
      });
    const warm = await send(bench.warmUpSeconds);
    await untilSucceeded(service, warm.count);
    await service.ask<StartLatencies>("startLatencies");
    const before = await service.usage();
    // Twice as long as others: few events a second, of which the 99th percentile is wanted.
    const { count, seconds, cpuSeconds } = await send(2 * bench.seconds);
    const after = await service.usage();
    await untilSucceeded(service, warm.count + count);
    const { maxMs, ...startLatencies } = await service.ask<StartLatencies>("startLatencies");
    return {
      count,
      seconds,
      ...startLatencies,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      loadCpuSeconds: cpuSeconds,
      also: { "slowest ms": maxMs },
    };
  },
};

export default [toDone, startLatency];
