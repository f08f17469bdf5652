import { setTimeout as sleep } from "node:timers/promises";
import type { Server } from "./server.ts";

/** Each look costs the service a millisecond or so. */
const pollMs = 25;

/** Resolves when so many have succeeded, within 25 ms. `see` is told each count on the way. */
export async function untilSucceeded(
  server: Server,
  wanted: number,
  see: (count: number) => void = () => undefined,
): Promise<void> {
  for (;;) {
    const count = await succeeded(server);
    see(count);
    if (count >= wanted) return;
    await sleep(pollMs);
  }
}

/** How many jobs of a service have succeeded, by its own exact count. */
async function succeeded({ url }: Server): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  const [, count] = /^event_jobs\{state="SUCCEEDED"\} (\d+)$/m.exec(await response.text()) ?? [];
  if (count === undefined) throw new Error("/metrics does not tell how many jobs have succeeded");
  return Number(count);
}
