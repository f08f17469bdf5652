import type { Server as Http1Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { EventRequestSchema, EventService, IngestBatchRequestSchema } from "@event-ingestion/api";
import { file_google_rpc_error_details } from "@event-ingestion/api/error-details";
import { SettleRequestSchema, WorkerService } from "@event-ingestion/api/worker/v1";
import { createHealth, Health } from "@event-ingestion/grpc-health";
import { reflectionRoutes } from "@event-ingestion/grpc-reflection";
import { createBatcher, type Job } from "@event-ingestion/store";
import { createClaims } from "./workers/claims.ts";
import { eventLimits } from "./events/event-answers.ts";
import { createEventRoutes } from "./events/event-routes.ts";
import { createListener } from "./http/listener/listener.ts";
import { createRpcHandler } from "./http/rpc-handler.ts";
import { createIngest } from "./events/ingest.ts";
import { maintain } from "./maintenance.ts";
import { resolveOptions, type ServerOptions } from "./options.ts";
import { watchQueueDepth } from "./admission/queue-depth.ts";
import { type Readiness, watchReadiness } from "./readiness.ts";
import { retryLater } from "./retry-info.ts";
import { createWatchers } from "./events/watchers.ts";
import { verdictLimits, workerRoutes } from "./workers/worker-routes.ts";

/** The service on its port. */
export interface EventServer extends AsyncDisposable {
  /** Starts to listen. @throws ListenError if the address cannot be had. */
  listen(): Promise<{ url: string; host: string; port: number }>;
  /** The same as the health of the whole process. */
  readonly readiness: Readiness;
  /** The HTTP/1.1 side of the port, for tools that attach to one. */
  readonly http1: Http1Server;
  /**
   * Drains: says NOT_SERVING, stops listening, answers what is in flight, ends streams after the grace time and cuts
   * what is left at the hard limit. Repeated calls wait for the same drain. The store stays open.
   */
  close(): Promise<void>;
}

/** @throws RangeError for an option out of its limits. */
export function createServer(given: ServerOptions): EventServer {
  const options = resolveOptions(given);
  const { store, observe } = options;
  const background = new AbortController();
  const draining = new AbortController();
  const shutdown = new AbortController();

  const services = [EventService, WorkerService];
  const health = createHealth(services);
  const readiness = watchReadiness(store, {
    signal: background.signal,
    changed(now) {
      health.setAll(now.ready ? "SERVING" : "NOT_SERVING");
      observe({ kind: "readiness", ...now });
    },
  });
  const depth = watchQueueDepth(store, background.signal);
  const ingest = createIngest(store, options, { depth, observe });
  const claims = createClaims(store, background.signal);
  const jobs = createBatcher<string, Job | null>({
    ...lookupLimits,
    early: store.caps.exclusive,
    run: (ids) => store.get(ids),
  });
  const watchers = createWatchers(store, {
    maxWatchers: options.maxWatchers,
    changed: (count) => observe({ kind: "watchers", count }),
    signal: background.signal,
  });
  const events = createEventRoutes({
    ...options,
    ingest,
    jobs,
    watchers,
    caps: store.caps,
    draining: draining.signal,
  });

  const observeConnection = (event: { what: string; error?: unknown }) =>
    observe({ kind: "connection", ...event });
  const handler = createRpcHandler({
    routes(router) {
      events.routes(router);
      workerRoutes({ store, claims })(router);
      health.routes(router);
      reflectionRoutes([...services, Health], { extraFiles: [file_google_rpc_error_details] })(router);
    },
    requestGate: ({ method }) => events.gate(method),
    fallback: options.fallback,
    limits: options.limits,
    fastPath: options.fastPath,
    messageLimits: {
      elements: [...eventLimits(observe), ...verdictLimits(store)],
      maxSmallBytes,
      large: [EventRequestSchema, IngestBatchRequestSchema, SettleRequestSchema],
    },
    shutdownSignal: shutdown.signal,
    onError: (failure) => observe({ kind: "internal-error", ...failure }),
    observe: observeConnection,
  });
  const listener = createListener(handler, { observe: observeConnection, limits: options.limits });
  let maintenance: Promise<void> | undefined;
  let drained: Promise<void> | undefined;

  const drain = async () => {
    observe({ kind: "draining" });
    let forced = false;
    const hardLimit = setTimeout(() => {
      forced = true;
      listener.destroy();
    }, options.hardLimitMs);
    readiness.drain();
    await sleep(options.lameDuckMs);
    listener.stop();
    draining.abort();
    claims.drain();
    watchers.drain();
    const reason = retryLater("the server is shutting down; call again");
    const grace = setTimeout(() => shutdown.abort(reason), options.graceMs);
    await listener.closed;
    clearTimeout(grace);
    clearTimeout(hardLimit);
    await Promise.all([ingest.close(), jobs.close()]);
    background.abort();
    await maintenance;
    observe({ kind: "drained", forced });
  };

  return {
    async listen() {
      const { port, address } = await listener.listen(options);
      maintenance = maintain(store, options.policy, { signal: background.signal, observe });
      const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
      observe({ kind: "listening", url });
      return { url, host: address, port };
    },
    get readiness() {
      return readiness.current();
    },
    http1: listener.http1,
    close: () => (drained ??= drain()),
    [Symbol.asyncDispose]: () => (drained ??= drain()),
  };
}

/** A request that holds neither events nor results is ids and names, of 128 bytes at most each. */
const maxSmallBytes = 64 * 1024;

/** GetStatus calls share lookups as appends share commits; two, so that one decodes while the other reads. */
const lookupLimits = {
  concurrency: 2,
  maxBatch: 1000,
  maxBatchBytes: Number.POSITIVE_INFINITY,
  maxPending: 20_000,
  maxPendingBytes: Number.POSITIVE_INFINITY,
  bytesOf: () => 0,
};
