import { fileURLToPath } from "node:url";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import type { Database } from "./peers/queue.ts";
import type { Server } from "./process/server.ts";
import { untilSucceeded } from "./process/succeeded.ts";
import { type Bench, cpuSecondsOf, type Measurement } from "./scenario.ts";

const sampled = 500;
const batchesInFlight = 8;

/** What a service's environment needs so that it runs a handlers module of servers/. */
export function handlers(file: string): { HANDLERS: string } {
  return { HANDLERS: fileURLToPath(new URL(`servers/${file}`, import.meta.url)) };
}

/** No-op handlers, and as many at once as peers hold jobs: what counts is throughput, and a claim takes so many. */
export const noopHandlers: Record<string, string> = { ...handlers("noop-handlers.ts"), CONCURRENCY: "256" };

/**
 * Sends batches of 1,000 to services that share one store, and waits until all jobs of them have succeeded: first to
 * get warm, then measured. The work is fixed at a guess of what is done in a second, so that a backlog cannot outgrow
 * the time for a round. Latencies are from stored to done.
 */
export async function measureToDone(
  bench: Bench,
  services: Services,
  { jobsPerSecond, database }: { jobsPerSecond: number; database?: Database },
): Promise<Measurement> {
  const processJobs = (jobs: number, doneBefore: number) =>
    processAll(bench, services, { jobs, doneBefore, ...(database && { database }) });
  // Each of them has to get warm.
  const warm = await processJobs(bench.warmUpSeconds * jobsPerSecond * services.length, 0);
  return processJobs(bench.seconds * jobsPerSecond, warm.count);
}

type Services = readonly [Server, ...Server[]];

async function processAll(
  bench: Bench,
  services: Services,
  { jobs, doneBefore, database }: { jobs: number; doneBefore: number; database?: Database },
): Promise<Measurement> {
  const [any] = services;
  const cpuBefore = await cpuSecondsOf(services, database);
  const start = performance.now();
  const sent = await Promise.all(
    services.map(({ url }) =>
      bench.load({
        url,
        protocol: "grpc",
        calls: { rpc: "IngestBatch", size: 1000, keepJobIds: true },
        inFlight: batchesInFlight / services.length,
        until: { count: jobs / services.length },
      }),
    ),
  );
  const count = sent.reduce((sum, each) => sum + each.count, 0);
  await untilSucceeded(any, doneBefore + count);
  return {
    count,
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (await cpuSecondsOf(services, database)) - cpuBefore,
    // Of the one generator, as each of the loads saw it.
    loadCpuSeconds: Math.max(...sent.map(({ cpuSeconds }) => cpuSeconds)),
    ...(await latencies(
      any,
      sent.flatMap(({ jobIds }) => jobIds),
    )),
  };
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
