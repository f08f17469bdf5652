import { Outcome } from "@event-ingestion/api";
import type { JobStore } from "@event-ingestion/store";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ServerEvent } from "./observe.ts";

/** The metrics of one server, in a registry of their own. */
export interface Metrics {
  /** Other parts of the process may register theirs here too. */
  registry: Registry;
  /** The text that /metrics answers with, of the content type `registry.contentType`; reads the store's counts. */
  render: () => Promise<string>;
  /** Give this to `createServer` as `observe`, or call it from yours. */
  observe: (event: ServerEvent) => void;
}

/** Sub-millisecond to seconds: an fsync takes 0.2 ms on a good disk and 100 ms on a bad one. */
const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Metrics of a server over `store`, process metrics included. Names begin with `event_`. */
export function createMetrics(store: JobStore): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const accepted = counter("event_accepted_total", "Events stored as new.");
  const duplicates = counter("event_duplicates_total", "Events answered with the job of an earlier call.");
  const conflicts = counter(
    "event_conflicts_total",
    "Events whose event_id was used before with other content.",
  );
  const rejected = new Counter({
    name: "event_rejected_total",
    help: "Events turned away, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const internalErrors = counter("event_internal_errors_total", "Answers with the code internal.");
  const connections = new Counter({
    name: "event_connections_refused_total",
    help: "Connections, streams and unread batches that were refused or cut, by cause.",
    labelNames: ["cause"],
    registers,
  });
  const watchers = new Gauge({ name: "event_watchers", help: "Open calls of WatchStatus.", registers });
  const append = new Histogram({
    name: "event_append_duration_seconds",
    help: "Time from handing a batch to the store to its commit.",
    buckets: durationBuckets,
    registers,
  });
  const batch = new Histogram({
    name: "event_append_batch_size",
    help: "Events handed to the store in one call.",
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000],
    registers,
  });
  const readStore = storeGauges(store, registry);

  return {
    registry,
    async render() {
      await readStore();
      return registry.metrics();
    },
    observe(event) {
      switch (event.kind) {
        case "ingested":
          if (event.outcome === Outcome.ACCEPTED) accepted.inc(event.count);
          else if (event.outcome === Outcome.DUPLICATE) duplicates.inc(event.count);
          else if (event.outcome === Outcome.CONFLICT) conflicts.inc(event.count);
          else rejected.inc({ reason: "invalid" }, event.count);
          break;
        case "rejected":
          rejected.inc({ reason: event.reason }, event.count);
          break;
        case "appended":
          append.observe(event.durationMs / 1000);
          batch.observe(event.events);
          break;
        case "internal-error":
          internalErrors.inc();
          break;
        case "watchers":
          watchers.set(event.count);
          break;
        case "connection":
          connections.inc({ cause: event.what });
          break;
      }
    },
  };
}

/** Gauges of what is in the store, and the function that reads it. A store that cannot answer shows no counts. */
function storeGauges(store: JobStore, registry: Registry): () => Promise<void> {
  const registers = [registry];
  const jobs = new Gauge({ name: "event_jobs", help: "Jobs by state.", labelNames: ["state"], registers });
  const scheduled = new Gauge({
    name: "event_jobs_scheduled",
    help: "Queued jobs that are not due yet.",
    registers,
  });
  const oldest = new Gauge({
    name: "event_oldest_ready_age_seconds",
    help: "How long the oldest due job has been waiting; 0 if none waits.",
    registers,
  });
  const workers = new Gauge({ name: "event_workers", help: "Workers with a live session.", registers });
  const writable = new Gauge({
    name: "event_store_writable",
    help: "1 if the store takes events.",
    registers,
  });
  const info = new Gauge({
    name: "event_store_info",
    help: "1; durability says what an accepted event survives.",
    labelNames: ["durability"],
    registers,
  });
  info.set({ durability: store.caps.durability }, 1);
  return async () => {
    writable.set(store.health.writable ? 1 : 0);
    const counts = await store.counts().catch(() => undefined);
    if (counts === undefined) {
      jobs.reset();
      for (const gauge of [scheduled, oldest, workers]) gauge.remove();
      return;
    }
    for (const [state, count] of Object.entries(counts.byState)) jobs.set({ state }, count);
    scheduled.set(counts.scheduled);
    oldest.set(
      counts.oldestReadyAt === undefined ? 0 : Math.max(0, counts.asOf - counts.oldestReadyAt) / 1000,
    );
    workers.set(counts.workers.length);
  };
}
