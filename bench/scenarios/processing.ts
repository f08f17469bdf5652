import { fileURLToPath } from "node:url";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import type { Server } from "../process/server.ts";
import { untilSucceeded } from "../process/succeeded.ts";
import type { Bench, Measurement, Scenario } from "../scenario.ts";
import type { StartLatencies } from "../servers/timing-handlers.ts";

/** A guess at what is done in a second: the work is fixed, so that a backlog cannot outgrow the time for a round. */
const jobsPerSecond = 20_000;
const sampled = 500;
const calmPerSecond = 100;

function handlers(file: string): { HANDLERS: string } {
  return { HANDLERS: fileURLToPath(new URL(`../servers/${file}`, import.meta.url)) };
}

const toDone: Scenario = {
  name: "ingest-to-done",
  title: "IngestBatch of 1,000 until all jobs are done, no-op handler; latencies from stored to done",
  kind: "service",
  unit: "jobs",
  durability: "fsync",
  async run(bench) {
    const service = await bench.startService(handlers("noop-handlers.ts"));
    const warm = await processAll(bench, service, { seconds: bench.warmUpSeconds, doneBefore: 0 });
    return processAll(bench, service, { seconds: bench.seconds, doneBefore: warm.count });
  },
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

/** Sends what should take `seconds`, and waits until every job of it has succeeded. */
async function processAll(
  bench: Bench,
  service: Server,
  { seconds, doneBefore }: { seconds: number; doneBefore: number },
): Promise<Measurement> {
  const before = await service.usage();
  const start = performance.now();
  const {
    count,
    jobIds,
    cpuSeconds: loadCpuSeconds,
  } = await bench.load({
    url: service.url,
    protocol: "grpc",
    calls: { rpc: "IngestBatch", size: 1000, keepJobIds: true },
    inFlight: 8,
    until: { count: seconds * jobsPerSecond },
  });
  await untilSucceeded(service, doneBefore + count);
  const elapsed = (performance.now() - start) / 1000;
  const cpuSeconds = (await service.usage()).cpuSeconds - before.cpuSeconds;
  return { count, seconds: elapsed, cpuSeconds, loadCpuSeconds, ...(await latencies(service, jobIds)) };
}

/** How long jobs took from being stored to being done, by the clock of the store. */
async function latencies({ url }: Server, jobIds: string[]): Promise<{ p50Ms: number; p99Ms: number }> {
  const client = createClient(EventService, createGrpcTransport({ baseUrl: url }));
  const stride = Math.max(1, Math.floor(jobIds.length / sampled));
  const sample = jobIds.filter((_, index) => index % stride === 0);
  const statuses = await Promise.all(sample.map((jobId) => client.getStatus({ jobId })));
  const tookMs = statuses
    .map(({ acceptedAt, finishedAt }) => ms(finishedAt) - ms(acceptedAt))
    .toSorted((a, b) => a - b);
  const percentile = (part: number) => tookMs[Math.floor(part * (tookMs.length - 1))] ?? Number.NaN;
  return { p50Ms: percentile(0.5), p99Ms: percentile(0.99) };
}

function ms(timestamp: Timestamp | undefined): number {
  if (timestamp === undefined) throw new Error("a job that is done has no times");
  return timestampMs(timestamp);
}
