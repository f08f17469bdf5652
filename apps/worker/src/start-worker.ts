import { type Logger, logWorkerEvent } from "@event-ingestion/app-kit/log";
import { countDroppedLines } from "@event-ingestion/app-kit/log-metrics";
import type { Program, ProgramContext } from "@event-ingestion/app-kit/program";
import { StoreError } from "@event-ingestion/store";
import { loadHandlers, runWorker, type WorkerEvent } from "@event-ingestion/worker";
import { createWorkerMetrics } from "@event-ingestion/worker/metrics";
import { remoteSource } from "@event-ingestion/worker/remote";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Config } from "./config.ts";
import { connect, type Connection } from "./connection.ts";
import { serveHealth } from "./health.ts";

/** What running handlers have to end. */
const drainMs = 5000;

/**
 * Runs the handlers against the server, whether it is there already or not. `stopped` ends the wait for handlers that
 * take their time to load.
 *
 * @throws HandlersError, or ConfigError if the health port cannot be had.
 */
export async function startWorker(config: Config, context: ProgramContext): Promise<Program> {
  const { log, stopped, droppedLines } = context;
  const handlers = await Promise.race([loadHandlers(config.handlers), stopped.then(refuseToStart)]);
  using opened = new DisposableStack();
  const connection = opened.use(connect(config, (error) => logConnection(log, config, error)));
  const registry = createRegistry(connection);
  countDroppedLines(registry, droppedLines);
  const stopping = new AbortController();
  if (config.health !== undefined) {
    const isReady = () => connection.isUp && !stopping.signal.aborted;
    const health = opened.use(await serveHealth({ ...config.health, registry, isReady }));
    log.info({ url: health.url }, "health");
  }

  const count = createWorkerMetrics(registry);
  let running: Program["running"] | undefined;
  const run = runWorker({
    ...config,
    source: remoteSource(connection.transport),
    handlers,
    drainMs,
    signal: stopping.signal,
    observe(event) {
      count(event);
      if (event.kind === "started") running = event.running;
      if (!isAway(event)) logWorkerEvent(log, event);
    },
  });
  const { promise: ended, resolve } = Promise.withResolvers<Error>();
  run.catch(resolve);
  const resources = opened.move();
  return {
    ended,
    running: () => running?.() ?? [],
    async close() {
      stopping.abort();
      await run.catch(() => undefined);
      resources.dispose();
      return { forced: false };
    },
  };
}

function refuseToStart(): never {
  throw new Error("stopped before it started");
}

function createRegistry(connection: Connection): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const connected = new Gauge({
    name: "event_worker_connected",
    help: "1 if the server does what the worker asks.",
    registers: [],
    collect() {
      this.set(connection.isUp ? 1 : 0);
    },
  });
  registry.registerMetric(connected);
  return registry;
}

/** One line when the server goes and one when it is back, however many calls fail meanwhile. */
function logConnection(log: Logger, { baseUrl }: Config, error: Error | undefined): void {
  if (error === undefined) log.info({ server: baseUrl }, "connected");
  else
    log.warn(
      { server: baseUrl, reason: error.message },
      "the server does not answer; the worker tries again until it does",
    );
}

/** A call that failed because the server is away: `logConnection` has told of that. */
function isAway(event: WorkerEvent): boolean {
  if (event.kind !== "store-error") return false;
  return event.error instanceof StoreError && event.error.reason === "unavailable";
}
