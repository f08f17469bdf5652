import { createHistogram, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** How hard and how long to call. */
export interface LoopOptions {
  /** Calls under way at all times: the next one starts when one ends. With `perSecond`, at most so many. */
  inFlight: number;
  /** Starts calls at this rate instead, however long they take; one that finds `inFlight` under way is left out. */
  perSecond?: number;
  /** What one call counts, for an end by count. Default 1. */
  perCall?: number;
  /** When no more calls begin; those under way are waited for, and counted. */
  until: { seconds: number } | { count: number };
}

/** What the calls came to. */
export interface LoopResult {
  count: number;
  /** Calls that counted nothing; their latency is not among the latencies. */
  refused: number;
  /** From the first call to the end of the last. */
  seconds: number;
  /** From the start of a call to its end. */
  p50Ms: number;
  p99Ms: number;
  /** CPU time of this process. */
  cpuSeconds: number;
}

/**
 * Calls `call` with what `next` makes, outside the measured latency; each call returns how many it counts. `caller` is a
 * number below `inFlight` that no other call under way has.
 */
export async function callInLoop<T>(
  { inFlight, perSecond, perCall = 1, until }: LoopOptions,
  next: () => T,
  call: (request: T, caller: number) => Promise<number> | number,
): Promise<LoopResult> {
  const latencies = createHistogram();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const deadline = "seconds" in until ? start + until.seconds * 1000 : Number.POSITIVE_INFINITY;
  const most = "count" in until ? until.count : Number.POSITIVE_INFINITY;
  let begun = 0;
  let count = 0;
  let refused = 0;

  const more = () => begun < most && performance.now() < deadline;
  const callOnce = async (caller: number) => {
    begun += perCall;
    const request = next();
    const began = performance.now();
    const counted = await call(request, caller);
    if (counted === 0) return void refused++;
    count += counted;
    latencies.record(Math.max(1, Math.round((performance.now() - began) * 1e6)));
  };
  const callAgain = async (caller: number) => {
    while (more()) await callOnce(caller);
  };
  const callers = Array.from({ length: inFlight }, (_, index) => index);
  if (perSecond === undefined) await Promise.all(callers.map(callAgain));
  else await atRate(perSecond, callers, more, callOnce);

  const { user, system } = process.cpuUsage(cpu);
  return {
    count,
    refused,
    seconds: (performance.now() - start) / 1000,
    p50Ms: latencies.percentile(50) / 1e6,
    p99Ms: latencies.percentile(99) / 1e6,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** Timers are late by a millisecond or so; what has become due in the meantime starts at once. */
async function atRate(
  perSecond: number,
  idle: number[],
  more: () => boolean,
  call: (caller: number) => Promise<void>,
): Promise<void> {
  const start = performance.now();
  const calls = new Set<Promise<void>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  for (let due = 0; more(); due++) {
    const waitMs = start + (due * 1000) / perSecond - performance.now();
    if (waitMs > 0) await Promise.race([sleep(waitMs), failed.promise]);
    if (!more()) break;
    const caller = idle.pop();
    if (caller === undefined) continue;
    const running = call(caller).finally(() => {
      calls.delete(running);
      idle.push(caller);
    });
    calls.add(running);
    running.catch(failed.reject);
  }
  await Promise.all(calls);
}
