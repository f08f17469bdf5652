import * as fc from "fast-check";
import { expect } from "vitest";
import type { NewEvent } from "../../job-store.ts";
import { bytes, nowOf } from "../steps.ts";
import { acceptJob } from "./job.ts";
import { lookupEvent } from "./model.ts";
import { anyOf, type Run, type Step, step } from "./step.ts";

interface AnyEvent {
  key: number;
  tenant: string;
  content: number;
  delaySpans: number;
  maxAttempts: number;
}

/** Few keys, so that most of them are used again; mostly the same content, due at once. */
const anyEvent: fc.Arbitrary<AnyEvent> = anyOf({
  key: fc.nat(15),
  tenant: fc.constantFrom("", "", "t2"),
  content: fc.constantFrom(0, 0, 0, 1),
  delaySpans: fc.constantFrom(0, 0, 0, 2),
  maxAttempts: fc.integer({ min: 1, max: 4 }),
});

/** Appends a batch. */
export const appendStep: fc.Arbitrary<Step> = step(
  "append",
  fc.array(anyEvent, { minLength: 1, maxLength: 8 }),
  append,
);
/** Looks a batch up. */
export const lookupStep: fc.Arbitrary<Step> = step("lookup", fc.array(anyEvent, { maxLength: 8 }), lookup);

async function append({ engine: { store, spanMs }, model, seen }: Run, items: AnyEvent[]): Promise<void> {
  const dues = items.map(({ delaySpans }) => model.clock.timer(delaySpans * spanMs));
  const now = await nowOf(store);
  const events = items.map((item) => toEvent(item, now + item.delaySpans * spanMs));
  const answers = await store.append(events);
  expect(answers).toHaveLength(events.length);
  for (const [index, { outcome, jobId }] of answers.entries()) {
    const [event, due] = [events[index], dues[index]];
    if (event === undefined || due === undefined) continue;
    const known = lookupEvent(model, event);
    expect({ outcome, jobId }).toEqual(known ?? { outcome: "ACCEPTED", jobId: expect.any(String) });
    if (known) continue;
    // An id is given out once, also after its job was pruned.
    expect(seen.has(jobId)).toBe(false);
    model.jobs.set(jobId, acceptJob(jobId, event, due));
  }
}

async function lookup({ engine, model }: Run, items: AnyEvent[]): Promise<void> {
  const events = items.map((item) => toEvent(item, 0));
  const expected = events.map((event) => lookupEvent(model, event));
  expect(await engine.store.lookup(events)).toEqual(expected);
}

function toEvent({ key, tenant, content, delaySpans, maxAttempts }: AnyEvent, runAt: number): NewEvent {
  const payload = bytes(`payload ${content}`);
  const event = {
    tenant,
    eventId: `key-${key}`,
    type: "model",
    payload,
    timestamp: BigInt(key),
    maxAttempts,
  };
  return delaySpans === 0 ? event : { ...event, runAt };
}
