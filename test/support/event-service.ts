import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService, type StatusResponse } from "@event-ingestion/api";
import { expect, vi } from "vitest";

/** The service at `url`, with a deadline so that no call can hang a test unnoticed. */
export function connect(
  url: string,
  transport: Transport = createGrpcTransport({ baseUrl: url, defaultTimeoutMs: 20_000 }),
): Client<typeof EventService> {
  return createClient(EventService, transport);
}

/** Sends one new event and gives its job id. */
export async function ingest(url: string, type: string, payload = ""): Promise<string> {
  const { jobId } = await connect(url).ingestEvent({ eventId: crypto.randomUUID(), type, payload });
  return jobId;
}

/** Waits until the job is no longer "processing". */
export function ended(url: string, jobId: string): Promise<StatusResponse> {
  const service = connect(url);
  const look = async () => {
    const job = await service.getStatus({ jobId });
    expect(job.status).not.toBe("processing");
    return job;
  };
  return vi.waitFor(look, { timeout: 40_000, interval: 20 });
}

/** The HTTP status of a plain path, such as /readyz. */
export async function statusOf(url: string, path: string): Promise<number> {
  const response = await fetch(new URL(path, url));
  await response.arrayBuffer();
  return response.status;
}

/** Waits until the server takes events. */
export async function untilReady(url: string, timeout = 20_000): Promise<void> {
  await vi.waitFor(async () => expect(await statusOf(url, "/readyz")).toBe(200), { timeout, interval: 20 });
}

/** The number of jobs in each state, as /metrics shows it. */
export async function jobsByState(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const samples = text.matchAll(/^event_jobs\{state="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries(Array.from(samples, ([, state, count]) => [state, Number(count)]));
}
