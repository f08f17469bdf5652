import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, logWorkerEvent } from "@event-ingestion/app-kit/log";
import { countDroppedLines } from "@event-ingestion/app-kit/log-metrics";
import type { Program, ProgramContext } from "@event-ingestion/app-kit/program";
import { openStore, type StoreEvent } from "@event-ingestion/app-kit/store-url";
import { createMetrics, createServer, type Metrics } from "@event-ingestion/server";
import type { JobStore } from "@event-ingestion/store";
import { type Handler, loadHandlers, runWorker } from "@event-ingestion/worker";
import { createWorkerMetrics } from "@event-ingestion/worker/metrics";
import type { Config } from "./config.ts";
import { fileLimitWarning } from "./file-limit.ts";
import { createServerLog, logStoreEvent } from "./log.ts";
import { createWeb } from "./web.ts";

/** A running service. */
export interface Service extends Program {
  url: string;
}

/** What requests in flight and running handlers have to end, both at the same time. */
const graceMs = 5000;

/**
 * Counted from when the server stops listening: connections that do not close by themselves are cut, and nobody waits any
 * longer for a store that does not take what the handlers brought.
 */
const cutMs = 8000;

/**
 * Opens the store, listens, and runs the handlers if there are any. What fails half way is closed again. `stopped` ends
 * the wait for handlers that take their time to load.
 *
 * @throws ConfigError, StoreError, HandlersError or the listener's error.
 */
export async function startService(config: Config, context: ProgramContext): Promise<Service> {
  const { log, stopped, droppedLines } = context;
  // Before anything is opened: a module that does not load is the commonest mistake.
  const handlers = await Promise.race([load(config), stopped.then(refuseToStart)]);
  await using opened = new AsyncDisposableStack();
  const { storeConnections: connections } = config;
  let found = {};
  const observe = (event: StoreEvent) => {
    if (event.kind === "opened") found = { file: event.file, isNew: event.isNew, jobs: event.jobs };
    else logStoreEvent(log, event);
  };
  const store = await openStore(config.storeUrl, { connections, observe });
  opened.defer(() => store.close());
  const { durability } = store.caps;
  log.info({ durability, ...found }, "store opened");
  const warning = fileLimitWarning(config.maxConnections);
  if (warning !== undefined) log.warn(warning);

  const metrics = createMetrics(store);
  countDroppedLines(metrics.registry, droppedLines);
  const logEvent = createServerLog(log);
  let forced = false;
  const server = createServer({
    ...config,
    graceMs,
    hardLimitMs: config.lameDuckMs + cutMs,
    limits: { maxConnections: config.maxConnections },
    store,
    fallback: createWeb({ metrics, readiness: () => server.readiness, durability }),
    observe(event) {
      if (event.kind === "drained") forced = event.forced;
      metrics.observe(event);
      logEvent(event);
    },
  });
  opened.use(server);
  const { url } = await server.listen();

  // Not before it listens: a port that is taken is found out before a handler runs.
  const worker = handlers === undefined ? undefined : startWorker(config, { store, handlers, metrics, log });
  const ended = [store.ended, worker?.ended].filter((promise) => promise !== undefined);
  const running = opened.move();
  /** Stops taking requests, answers those in flight, stops the workers, closes the store. */
  const close = async () => {
    const stopWorker = sleep(config.lameDuckMs).then(() => worker?.stop());
    const [, workerEnded = true] = await Promise.all([server.close(), stopWorker]);
    await running.disposeAsync();
    return { forced: forced || !workerEnded };
  };
  return { url, ended: Promise.race(ended), running: () => worker?.running() ?? [], close };
}

async function load({ handlers }: Config): Promise<readonly Handler[] | undefined> {
  return handlers === undefined ? undefined : loadHandlers(handlers);
}

function refuseToStart(): never {
  throw new Error("stopped before it started");
}

interface WorkerContext {
  store: JobStore;
  handlers: readonly Handler[];
  metrics: Metrics;
  log: Logger;
}

/** The worker in this process. */
function startWorker(config: Config, { store, handlers, metrics, log }: WorkerContext) {
  const stopping = new AbortController();
  const count = createWorkerMetrics(metrics.registry);
  let running: Program["running"] | undefined;
  const run = runWorker({
    ...config,
    source: store,
    handlers,
    drainMs: graceMs,
    signal: stopping.signal,
    observe(event) {
      count(event);
      if (event.kind === "started") running = event.running;
      logWorkerEvent(log, event);
    },
  });
  const { promise: ended, resolve } = Promise.withResolvers<Error>();
  run.catch(resolve);
  return {
    ended,
    running: () => running?.() ?? [],
    /** False: it could not give back what it held. */
    stop(): Promise<boolean> {
      stopping.abort();
      const hasEnded = run.catch(() => undefined).then(() => true);
      return Promise.race([hasEnded, sleep(cutMs, false)]);
    },
  };
}
