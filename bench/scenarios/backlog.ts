import type { Server } from "../process/server.ts";
import { untilSucceeded } from "../process/succeeded.ts";
import { type Bench, latencies, type Scenario } from "../scenario.ts";
import { handlers } from "../to-done.ts";

const batch = { protocol: "grpc", calls: { rpc: "IngestBatch", size: 1000 }, inFlight: 8 } as const;
const longQueue = { kind: "service", durability: "fsync", limitSeconds: 300 } as const;

const drain: Scenario = {
  ...longQueue,
  name: "backlog-drain",
  title: "a long queue is worked off, no-op handler",
  unit: "jobs",
  async run(bench) {
    {
      await using filling = await bench.startService();
      await fill(bench, filling, bench.backlog * (1 + warmUpPart));
    }
    const service = await bench.startService(handlers("noop-handlers.ts"));
    const warm = bench.backlog * warmUpPart;
    const tenth = bench.backlog / 10;
    const reached = stopwatch([warm, warm + tenth, warm + 9 * tenth, warm + bench.backlog]);
    await untilSucceeded(service, warm, reached.see);
    const before = await service.usage();
    await untilSucceeded(service, warm + bench.backlog, reached.see);
    const after = await service.usage();
    const [start = 0, first = 0, ninth = 0, end = 0] = reached.seconds();
    return {
      count: bench.backlog,
      seconds: end - start,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      also: {
        "first tenth/s": tenth / (first - start),
        "last tenth/s": tenth / (end - ninth),
        "last / first tenth": (first - start) / (end - ninth),
      },
    };
  },
};

/** What is worked off before, and not counted: a process that has just started is slower. */
const warmUpPart = 0.05;

const memory: Scenario = {
  ...longQueue,
  when: "first round",
  name: "backlog-memory",
  title: "a long queue is filled, then IngestEvent, gRPC, 250 in flight",
  unit: "events",
  async run(bench) {
    const service = await bench.startService();
    await fill(bench, service, bench.backlog);
    const filled = await service.usage();
    const result = await bench.load({
      url: service.url,
      protocol: "grpc",
      calls: { rpc: "IngestEvent" },
      inFlight: 250,
      until: { seconds: 2 * bench.seconds },
    });
    const after = await service.usage();
    return {
      ...latencies(result),
      cpuSeconds: after.cpuSeconds - filled.cpuSeconds,
      loadCpuSeconds: result.cpuSeconds,
      also: { "peak MiB": after.peakMiB, "peak MiB of filling": filled.peakMiB },
    };
  },
};

export default [drain, memory];

async function fill(bench: Bench, { url }: Server, count: number): Promise<void> {
  await bench.load({ ...batch, url, until: { count } });
}

/** When each of these counts was reached, in seconds; between two counts that were seen, as if at a steady rate. */
function stopwatch(counts: readonly number[]) {
  const seen: { count: number; seconds: number }[] = [];
  const see = (count: number) => void seen.push({ count, seconds: performance.now() / 1000 });
  const seconds = () =>
    counts.map((wanted) => {
      const index = seen.findIndex(({ count }) => count >= wanted);
      const [before, after] = [seen[index - 1], seen[index]];
      if (after === undefined) return Number.NaN;
      if (before === undefined) return after.seconds;
      const part = (wanted - before.count) / (after.count - before.count);
      return before.seconds + part * (after.seconds - before.seconds);
    });
  return { see, seconds };
}
