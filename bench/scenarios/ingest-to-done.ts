import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import type { Bench, Measurement, Scenario } from "../scenario.ts";
import type { Server } from "../server.ts";

/** A guess at what is done in a second: the work is fixed, so that a backlog cannot outgrow the time for a round. */
const jobsPerSecond = 20_000;
const pollMs = 10;
const sampled = 500;

export default [
  {
    name: "ingest-to-done",
    title: "IngestBatch of 1000 until all jobs are done, no-op handler",
    kind: "service",
    unit: "jobs",
    durability: "fsync",
    async run(bench) {
      const handlers = fileURLToPath(new URL("../servers/noop-handlers.ts", import.meta.url));
      const service = await bench.startService({ HANDLERS: handlers });
      const warm = await processAll(bench, service, { seconds: bench.warmUpSeconds, doneBefore: 0 });
      return processAll(bench, service, { seconds: bench.seconds, doneBefore: warm.count });
    },
  },
] satisfies Scenario[];

/** Sends what should take `seconds`, and waits until every job of it has succeeded. */
async function processAll(
  bench: Bench,
  service: Server,
  { seconds, doneBefore }: { seconds: number; doneBefore: number },
): Promise<Measurement> {
  const cpuBefore = await service.cpuSeconds();
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
  while ((await succeeded(service)) < doneBefore + count) await sleep(pollMs);
  const elapsed = (performance.now() - start) / 1000;
  const cpuSeconds = (await service.cpuSeconds()) - cpuBefore;
  return { count, seconds: elapsed, cpuSeconds, loadCpuSeconds, ...(await latencies(service, jobIds)) };
}

/** From the service's own count, which is exact. */
async function succeeded({ url }: Server): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  const [, count] = /^event_jobs\{state="SUCCEEDED"\} (\d+)$/m.exec(await response.text()) ?? [];
  if (count === undefined) throw new Error("/metrics does not tell how many jobs have succeeded");
  return Number(count);
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
