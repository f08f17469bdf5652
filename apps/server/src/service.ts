import { createMetrics, createServer } from "@event-ingestion/server";
import { loadHandlers, runWorker } from "@event-ingestion/worker";
import { createWorkerMetrics } from "@event-ingestion/worker/metrics";
import type { Logger } from "pino";
import type { Config } from "./config.ts";
import { logServerEvent, logWorkerEvent } from "./log.ts";
import { openStore } from "./open-store.ts";
import { createWeb } from "./web.ts";

/** A running service. */
export interface Service {
  url: string;
  /**
   * Drains: stops taking requests, answers those in flight, stops the workers, closes the store. `forced`: something
   * did not end by itself and was cut.
   */
  close: () => Promise<{ forced: boolean }>;
  /** Rejects if the worker in this process ends by itself. */
  failed: Promise<never>;
}

/**
 * Opens the store, listens, and runs the handlers if there are any. What fails half way is closed again.
 *
 * @throws ConfigError, StoreError, HandlersError or the listener's error.
 */
export async function startService(config: Config, log: Logger): Promise<Service> {
  // Before anything is opened: a module that does not load is the commonest mistake.
  const handlers = config.handlers === undefined ? undefined : await loadHandlers(config.handlers);
  await using opened = new AsyncDisposableStack();
  const store = await openStore(config.storeUrl);
  opened.defer(() => store.close());

  const metrics = createMetrics(store);
  const worker = new AbortController();
  const working = Promise.withResolvers<never>();
  if (handlers !== undefined) {
    const observeWorker = createWorkerMetrics(metrics.registry);
    const run = runWorker({
      ...config,
      source: store,
      handlers,
      signal: worker.signal,
      observe(event) {
        observeWorker(event);
        logWorkerEvent(log, event);
      },
    });
    run.catch(working.reject);
    working.promise.catch(() => undefined);
    opened.defer(async () => {
      worker.abort();
      await run.catch(() => undefined);
    });
  }

  let forced = false;
  const server = createServer({
    ...config,
    store,
    fallback: createWeb({ metrics, readiness: () => server.readiness }),
    observe(event) {
      if (event.kind === "drained") forced = event.forced;
      metrics.observe(event);
      logServerEvent(log, event);
    },
  });
  // Last opened, first closed: requests are answered before the workers stop, and those before the store.
  opened.use(server);
  const { url } = await server.listen();

  const running = opened.move();
  const close = async () => {
    await running.disposeAsync();
    return { forced };
  };
  return { url, failed: working.promise, close };
}
