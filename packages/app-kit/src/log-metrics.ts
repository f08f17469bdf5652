import { Counter, type Registry } from "prom-client";

/** Adds what the log lost to the metrics of a binary. */
export function countDroppedLines(registry: Registry, droppedLines: () => number): void {
  const dropped = new Counter({
    name: "event_log_lines_dropped_total",
    help: "Lines of the log that were lost, since nobody read them in time.",
    registers: [],
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });
  registry.registerMetric(dropped);
}
