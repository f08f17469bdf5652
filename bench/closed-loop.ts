import { createHistogram, performance } from "node:perf_hooks";

/** How hard and how long to call. */
export interface LoopOptions {
  /** Calls under way at all times: the next one starts when one ends. */
  inFlight: number;
  /** What one call counts, for an end by count. Default 1. */
  perCall?: number;
  /** When no more calls begin; those under way are waited for, and counted. */
  until: { seconds: number } | { count: number };
}

/** What the calls came to. */
export interface LoopResult {
  count: number;
  /** From the first call to the end of the last. */
  seconds: number;
  /** From the start of a call to its end. */
  p50Ms: number;
  p99Ms: number;
  /** CPU time of this process. */
  cpuSeconds: number;
}

/** Calls `call` with what `next` makes, outside the measured latency; each call returns how many it counts. */
export async function closedLoop<T>(
  { inFlight, perCall = 1, until }: LoopOptions,
  next: () => T,
  call: (request: T) => Promise<number> | number,
): Promise<LoopResult> {
  const latencies = createHistogram();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const deadline = "seconds" in until ? start + until.seconds * 1000 : Number.POSITIVE_INFINITY;
  const most = "count" in until ? until.count : Number.POSITIVE_INFINITY;
  let begun = 0;
  let count = 0;

  const caller = async () => {
    while (begun < most && performance.now() < deadline) {
      begun += perCall;
      const request = next();
      const began = performance.now();
      const counted = await call(request);
      count += counted;
      latencies.record(Math.max(1, Math.round((performance.now() - began) * 1e6)));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));

  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    count,
    seconds,
    p50Ms: latencies.percentile(50) / 1e6,
    p99Ms: latencies.percentile(99) / 1e6,
    cpuSeconds: (user + system) / 1e6,
  };
}
