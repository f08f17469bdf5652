import { expect } from "vitest";
import { revision } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  acceptAll,
  append,
  bytes,
  detailOf,
  finished,
  longMs,
  jobOf,
  newEvent,
  newEvents,
  nowOf,
  take,
} from "./steps.ts";

/** One event at a time: what a key means. */
export function appendCases(check: Case): void {
  check("A1 one event is stored as a QUEUED job", async ({ store }) => {
    const event = newEvent({ tenant: "t1", type: "order.created", timestamp: 42n, maxAttempts: 7 });
    const before = await nowOf(store);
    const { outcome, jobId } = await append(store, event);
    expect(outcome).toBe("ACCEPTED");
    const { acceptedAt, ...job } = await jobOf(store, jobId);
    expect(acceptedAt).toBeGreaterThanOrEqual(before);
    expect(acceptedAt).toBeLessThanOrEqual(await nowOf(store));
    expect(job).toMatchObject({
      jobId,
      tenant: "t1",
      eventId: event.eventId,
      type: "order.created",
      timestamp: 42n,
      state: "QUEUED",
      attempts: 0,
      maxAttempts: 7,
      cancelRequested: false,
      revision: revision({ state: "QUEUED", attempts: 0, cancelRequested: false }),
    });
    expect([job.finishedAt, job.lastError, job.result]).toEqual([undefined, undefined, undefined]);
  });

  check("A2 a batch is answered in its order", async ({ store }) => {
    const events = newEvents(5);
    const ids = await acceptAll(store, events);
    const jobs = await store.get(ids);
    expect(jobs.map((job) => job?.eventId)).toEqual(events.map(({ eventId }) => eventId));
  });

  check("A3 an empty batch is answered with nothing", async ({ store }) => {
    expect(await store.append([])).toEqual([]);
    expect(await store.lookup([])).toEqual([]);
  });

  check("A4 a duplicate is answered with the first id", async ({ store }) => {
    const event = newEvent();
    const { jobId } = await append(store, event);
    expect(await append(store, event)).toEqual({ outcome: "DUPLICATE", jobId });
    expect((await store.counts()).byState.QUEUED).toBe(1);
  });

  for (const [code, state] of [
    ["A5", "SUCCEEDED"],
    ["A6", "DEAD"],
    ["A7", "CANCELLED"],
  ] as const) {
    check(
      `${code} a duplicate after ${state} is answered with the first id and starts nothing`,
      async ({ store }) => {
        const event = newEvent();
        const jobId = await finished(store, state, event);
        expect(await append(store, event)).toEqual({ outcome: "DUPLICATE", jobId });
        expect(await jobOf(store, jobId)).toMatchObject({ state, attempts: 1 });
        expect(await store.claim(await store.openSession("worker", longMs), 1)).toEqual([]);
      },
    );
  }

  check("A8 another payload is a conflict and stores nothing", async ({ store }) => {
    const event = newEvent();
    const { jobId } = await append(store, event);
    const other = { ...event, payload: bytes("other") };
    expect(await append(store, other)).toEqual({ outcome: "CONFLICT", jobId });
    expect(await append(store, other)).toEqual({ outcome: "CONFLICT", jobId });
    expect((await detailOf(store, jobId)).payload).toEqual(event.payload);
    expect((await store.counts()).byState.QUEUED).toBe(1);
  });

  check("A9 another type is a conflict and stores nothing", async ({ store }) => {
    const event = newEvent({ type: "a", payload: bytes("bc") });
    const { jobId } = await append(store, event);
    expect(await append(store, { ...event, type: "b" })).toEqual({ outcome: "CONFLICT", jobId });
    // The same bytes in a row, cut at another place.
    const shifted = { ...event, type: "ab", payload: bytes("c") };
    expect(await append(store, shifted)).toEqual({ outcome: "CONFLICT", jobId });
    expect((await jobOf(store, jobId)).type).toBe("a");
    expect((await store.counts()).byState.QUEUED).toBe(1);
  });

  check("A10 another timestamp is a duplicate and the first is kept", async ({ store }) => {
    const event = newEvent({ timestamp: 1n });
    const { jobId } = await append(store, event);
    expect(await append(store, { ...event, timestamp: 2n })).toEqual({ outcome: "DUPLICATE", jobId });
    expect((await jobOf(store, jobId)).timestamp).toBe(1n);
  });

  check(
    "A11 another runAt, maxAttempts or trace is a duplicate and the first are kept",
    async ({ store }) => {
      const event = newEvent({ maxAttempts: 3 });
      const { jobId } = await append(store, event);
      const trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
      for (const change of [{ runAt: (await nowOf(store)) + longMs }, { maxAttempts: 4 }, { trace }]) {
        expect(await append(store, { ...event, ...change })).toEqual({ outcome: "DUPLICATE", jobId });
      }
      expect((await jobOf(store, jobId)).maxAttempts).toBe(3);
      expect((await take(store, await store.openSession("worker", longMs))).jobId).toBe(jobId);
    },
  );

  check("A12 a key is one per tenant", async ({ store }) => {
    const event = newEvent();
    const first = await append(store, event);
    const second = await append(store, { ...event, tenant: "t2", payload: bytes("other") });
    expect([first.outcome, second.outcome]).toEqual(["ACCEPTED", "ACCEPTED"]);
    expect(second.jobId).not.toBe(first.jobId);
    expect(await append(store, event)).toEqual({ outcome: "DUPLICATE", jobId: first.jobId });
    expect((await jobOf(store, second.jobId)).tenant).toBe("t2");
  });
}
