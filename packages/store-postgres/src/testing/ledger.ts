import { type Appended, type JobId, type JobStore, type NewEvent, StoreError } from "@event-ingestion/store";
import { expect } from "vitest";
import { newEvent } from "./events.ts";

/** What producers sent and what they were told, kept outside of the store. */
export interface Ledger {
  /** Sends new events, some of them not for the first time, until the signal aborts. Failures may be of the store only. */
  produce: (store: JobStore, signal: AbortSignal) => Promise<void>;
  /** Sends what has no answer yet, again and again until there is one. */
  clear: (store: JobStore) => Promise<void>;
  /** Every answer holds: each event that was accepted is there, under that id, as one job. */
  check: (store: JobStore) => Promise<void>;
  /** How many events have an answer. */
  readonly answered: number;
  /** The id of each event that was answered. */
  readonly jobs: ReadonlyMap<string, JobId>;
}

/** An empty ledger. */
export function createLedger(): Ledger {
  const jobs = new Map<string, JobId>();
  const accepted = new Set<string>();
  const open = new Map<string, NewEvent>();
  const sent: NewEvent[] = [];

  const note = (events: readonly NewEvent[], answers: readonly Appended[]) => {
    for (const [index, { eventId }] of events.entries()) {
      const { outcome, jobId } = answers[index] ?? { outcome: "CONFLICT", jobId: "none" };
      expect(outcome).not.toBe("CONFLICT");
      if (jobs.has(eventId)) expect(jobId).toBe(jobs.get(eventId));
      if (outcome === "ACCEPTED") expect(accepted).not.toContain(eventId);
      if (outcome === "ACCEPTED") accepted.add(eventId);
      jobs.set(eventId, jobId);
      open.delete(eventId);
    }
  };
  const send = async (store: JobStore, events: readonly NewEvent[]) => {
    try {
      note(events, await store.append(events));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // What was not applied now may have been before.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const nextEvent = (): NewEvent => {
    const dice = Math.random();
    if (dice < 0.1) return [...open.values()].at(0) ?? nextEvent();
    if (dice < 0.2 && sent.length > 0) return sent[Math.floor(Math.random() * sent.length)] ?? nextEvent();
    const event = newEvent(`ledger-${sent.length}`);
    sent.push(event);
    open.set(event.eventId, event);
    return event;
  };

  return {
    async produce(store, signal) {
      while (!signal.aborted) {
        const events = Array.from({ length: 1 + Math.floor(Math.random() * 20) }, nextEvent);
        await send(store, [...new Set(events)]);
      }
    },
    async clear(store) {
      while (open.size > 0) await send(store, [...open.values()].slice(0, 500));
    },
    async check(store) {
      const events = sent.filter(({ eventId }) => jobs.has(eventId));
      for (let start = 0; start < events.length; start += 1000) {
        const some = events.slice(start, start + 1000);
        const known = await store.lookup(some);
        expect(known).toEqual(
          some.map(({ eventId }) => ({ outcome: "DUPLICATE", jobId: jobs.get(eventId) })),
        );
        const found = await store.get(some.map(({ eventId }) => jobs.get(eventId) ?? ""));
        expect(found.map((job) => job?.eventId)).toEqual(some.map(({ eventId }) => eventId));
      }
      expect(new Set(jobs.values()).size).toBe(jobs.size);
    },
    get answered() {
      return jobs.size;
    },
    jobs,
  };
}
