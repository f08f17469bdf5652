import type { NewEvent } from "@event-ingestion/store";

/** An event with that key. */
export function newEvent(eventId: string, overrides: Partial<NewEvent> = {}): NewEvent {
  const payload = Buffer.from(`payload of ${eventId}`);
  return { tenant: "", eventId, type: "test", payload, timestamp: 1n, maxAttempts: 12, ...overrides };
}

/** Events with the keys "name-0", "name-1" and so on. */
export function newEvents(name: string, count: number, overrides: Partial<NewEvent> = {}): NewEvent[] {
  return Array.from({ length: count }, (_, index) => newEvent(`${name}-${index}`, overrides));
}
