import type { NewEvent } from "@event-ingestion/store";

/** An event with that key. */
export function newEvent(eventId: string, overrides: Partial<NewEvent> = {}): NewEvent {
  const payload = Buffer.from(`payload of ${eventId}`);
  return { tenant: "", eventId, type: "test", payload, timestamp: 1n, maxAttempts: 12, ...overrides };
}
