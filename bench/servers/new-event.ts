import { randomUUIDv7 } from "node:crypto";
import type { NewEvent } from "@event-ingestion/store";
import { payload } from "../payload.ts";

const payloadBytes = Buffer.from(payload);

/** An event as the service hands it to its store. */
export function newEvent(): NewEvent {
  return {
    tenant: "",
    eventId: randomUUIDv7(),
    type: "",
    payload: payloadBytes,
    timestamp: 1_764_000_000_000n,
    maxAttempts: 12,
  };
}

/** Many of them. */
export function newEvents(count: number): NewEvent[] {
  return Array.from({ length: count }, newEvent);
}
