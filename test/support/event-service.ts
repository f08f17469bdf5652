import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import { expect, vi } from "vitest";

/** The service at `url`, with a deadline so that no call can hang a test unnoticed. */
export function connect(
  url: string,
  transport: Transport = createGrpcTransport({ baseUrl: url, defaultTimeoutMs: 20_000 }),
): Client<typeof EventService> {
  return createClient(EventService, transport);
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
