import { Counter, Histogram, type Registry } from "prom-client";
import type { Observe } from "./observe.ts";

/** Metrics of a worker in the given registry: give the answer to `runWorker` as `observe`. Names begin with `event_`. */
export function createWorkerMetrics(registry: Registry): Observe {
  const registers = [registry];
  const handled = new Histogram({
    name: "event_handler_duration_seconds",
    help: "Time in the handler of one attempt, by what became of the attempt.",
    labelNames: ["outcome"],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900],
    registers,
  });
  const abandoned = new Counter({
    name: "event_handlers_abandoned_total",
    help: "Attempts that ended while their handler still ran, by why.",
    labelNames: ["why"],
    registers,
  });
  const endedLate = new Counter({
    name: "event_handlers_ended_late_total",
    help: "Abandoned handlers that came to their end after all.",
    registers,
  });
  const verdictsLost = new Counter({
    name: "event_verdicts_lost_total",
    help: "Outcomes that were dropped because the attempt was given up before.",
    registers,
  });
  const sessionsLost = new Counter({
    name: "event_sessions_lost_total",
    help: "Sessions that ended before their worker did.",
    registers,
  });
  const storeErrors = new Counter({
    name: "event_worker_store_errors_total",
    help: "Calls of the job source that failed, by call.",
    labelNames: ["call"],
    registers,
  });
  return (event) => {
    switch (event.kind) {
      case "settled":
        handled.observe({ outcome: event.outcome }, event.durationMs / 1000);
        break;
      case "abandoned":
        abandoned.inc({ why: event.why });
        break;
      case "ended-late":
        endedLate.inc();
        break;
      case "verdict-lost":
        verdictsLost.inc();
        break;
      case "session-lost":
        sessionsLost.inc();
        break;
      case "store-error":
        storeErrors.inc({ call: event.call });
        break;
    }
  };
}
