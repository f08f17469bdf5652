import type { JobStore, Policy } from "@event-ingestion/store";
import type { Limits } from "./http/limits.ts";
import type { NodeHandler } from "./http/node-handler.ts";
import type { ServerEvent } from "./observe.ts";

/** What `createServer` takes. Only `store` must be given. */
export interface ServerOptions {
  /** Where events go. The caller opens it and closes it after the server. */
  store: JobStore;
  /** Address to listen on. Default 127.0.0.1. */
  host?: string;
  /** Port to listen on, 0 to 65535; 0 takes any free one. Default 50051. */
  port?: number;
  /** Attempts that a job gets, fixed when it is accepted, 1 to 1000. Default 12. */
  maxAttempts?: number;
  /** Events that may wait in memory for a commit; more are UNAVAILABLE. Default 20,000. */
  maxPendingEvents?: number;
  /** Bytes of events that may wait in memory for a commit. Default 64 MiB. */
  maxPendingBytes?: number;
  /** Jobs that may wait in the store; at this number new events are UNAVAILABLE. Default 2,000,000. */
  maxQueuedJobs?: number;
  /** Calls of WatchStatus at once; more are UNAVAILABLE. Default 10,000. */
  maxWatchers?: number;
  /** What one client may take of the network layer, and all of them together. */
  limits?: Partial<Limits>;
  /** Whether ordinary unary calls are served past connect, which costs far less. Default true. */
  fastPath?: boolean;
  /** When lost workers kill a job and how long finished jobs are kept. Default 3; 7 days, DEAD 30 days. */
  policy?: Policy;
  /** How long the server goes on taking requests after it said NOT_SERVING, in ms. Default 0. */
  lameDuckMs?: number;
  /** How long requests in flight may take once it stopped listening, in ms. Default 5000. */
  graceMs?: number;
  /** When everything that is still open is cut, in ms since the drain began. Default 25000. */
  hardLimitMs?: number;
  /** Requests for paths that are no rpc. Default: 404. */
  fallback?: NodeHandler;
  /** Told what happens; must not throw. */
  observe?: (event: ServerEvent) => void;
}

const day = 24 * 60 * 60 * 1000;

/** @throws RangeError naming the option, what was wanted and what was got. */
export function resolveOptions(options: ServerOptions): Required<ServerOptions> {
  const resolved: Required<ServerOptions> = {
    host: "127.0.0.1",
    port: 50051,
    maxAttempts: 12,
    maxPendingEvents: 20_000,
    maxPendingBytes: 64 * 1024 * 1024,
    maxQueuedJobs: 2_000_000,
    maxWatchers: 10_000,
    policy: { workerLostLimit: 3, keepMs: { SUCCEEDED: 7 * day, CANCELLED: 7 * day, DEAD: 30 * day } },
    limits: {},
    fastPath: true,
    lameDuckMs: 0,
    graceMs: 5000,
    hardLimitMs: 25_000,
    fallback: (_request, response) => void response.writeHead(404).end(),
    observe: () => undefined,
    ...options,
  };
  check("port", resolved.port, 0, 65_535);
  check("maxAttempts", resolved.maxAttempts, 1, 1000);
  check("maxPendingEvents", resolved.maxPendingEvents, 1000, 10_000_000);
  check("maxPendingBytes", resolved.maxPendingBytes, 8 * 1024 * 1024, 2 ** 40);
  check("maxQueuedJobs", resolved.maxQueuedJobs, 1, Number.MAX_SAFE_INTEGER);
  check("maxWatchers", resolved.maxWatchers, 1, 1_000_000);
  check("lameDuckMs", resolved.lameDuckMs, 0, 600_000);
  check("graceMs", resolved.graceMs, 0, 600_000);
  check("hardLimitMs", resolved.hardLimitMs, resolved.lameDuckMs + resolved.graceMs, 3_600_000);
  const { workerLostLimit, keepMs } = resolved.policy;
  check("policy.workerLostLimit", workerLostLimit, 1, 1000);
  for (const state of ["SUCCEEDED", "DEAD", "CANCELLED"] as const) {
    check(`policy.keepMs.${state}`, keepMs[state], 0, Number.MAX_SAFE_INTEGER);
  }
  return resolved;
}

function check(name: string, got: number, min: number, max: number): void {
  if (Number.isInteger(got) && got >= min && got <= max) return;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}, got ${got}`);
}
