import { create } from "@bufbuild/protobuf";
import { type EventRequest, EventRequestSchema, type EventResponse, Outcome } from "@event-ingestion/api";

/** What the producers of a test sent and were promised, outside the server, so that it outlives it. */
export interface Ledger {
  /** Events for one call: most are new, some were never answered, some were answered before. */
  next: (count: number) => EventRequest[];
  /** Notes the answer. @throws Error if it contradicts an earlier one. */
  answered: (event: EventRequest, response: EventResponse | undefined) => void;
  /** Resolves when that many more answers have come. */
  answers: (count: number) => Promise<void>;
  /** Events that were sent and not answered yet. */
  open: () => EventRequest[];
  /** Job id of every event that was accepted. */
  jobs: ReadonlyMap<string, string>;
  /** How often an event was answered as a duplicate. */
  duplicates: () => number;
}

/** The payload and type of the event are those of a handler in the examples. */
const kinds = [
  { type: "user.signup", payload: JSON.stringify({ email: "a@example.com" }) },
  { type: "order.created", payload: JSON.stringify({ amount: 12 }) },
  { type: "", payload: "x".repeat(300) },
] as const;

export function createLedger(): Ledger {
  const sent: EventRequest[] = [];
  const open = new Map<string, EventRequest>();
  const jobs = new Map<string, string>();
  const accepted = new Set<string>();
  let answers = 0;
  let duplicates = 0;
  let waiter: { at: number; resolve: () => void } | undefined;

  const make = (): EventRequest => {
    const kind = kinds[sent.length % kinds.length];
    const event = create(EventRequestSchema, { ...kind, eventId: `crash-${sent.length}` });
    sent.push(event);
    open.set(event.eventId, event);
    return event;
  };
  const pick = (): EventRequest => {
    const dice = Math.random();
    if (dice < 0.8) return make();
    return (dice < 0.9 ? anyOf(Array.from(open.values())) : anyOf(sent)) ?? make();
  };

  return {
    next: (count) => Array.from({ length: count }, pick),
    answered({ eventId }, response) {
      const first = jobs.get(eventId);
      if (response === undefined || !response.accepted || response.jobId === "") {
        throw new Error(`${eventId} was not accepted: ${response?.message}`);
      }
      if (first !== undefined && response.jobId !== first) {
        throw new Error(`${eventId} was job ${first} and is now ${response.jobId}`);
      }
      if (response.outcome === Outcome.DUPLICATE) duplicates++;
      else if (accepted.has(eventId)) throw new Error(`${eventId} was accepted as new twice`);
      else accepted.add(eventId);
      jobs.set(eventId, response.jobId);
      open.delete(eventId);
      if (++answers === waiter?.at) waiter.resolve();
    },
    answers: (count) => new Promise((resolve) => (waiter = { at: answers + count, resolve })),
    open: () => Array.from(open.values()),
    jobs,
    duplicates: () => duplicates,
  };
}

function anyOf<T>(items: readonly T[]): T | undefined {
  return items[Math.floor(Math.random() * items.length)];
}
