// A handlers module that notes how long ago each event was sent: its event_id is the time of that.
import { createHistogram } from "node:perf_hooks";
import { defineHandler } from "@event-ingestion/worker";
import { answers } from "../process/probe.ts";

/** From an event being sent to its handler being called. */
export interface StartLatencies {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

const latencies = createHistogram();

/** Of the events since it was last asked. */
answers("startLatencies", (): StartLatencies => {
  const found = {
    p50Ms: latencies.percentile(50) / 1e6,
    p99Ms: latencies.percentile(99) / 1e6,
    maxMs: latencies.max / 1e6,
  };
  latencies.reset();
  return found;
});

export default [
  defineHandler("*", async ({ eventId }) => {
    latencies.record(process.hrtime.bigint() - BigInt(eventId));
  }),
];
