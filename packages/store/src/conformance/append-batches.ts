import { expect } from "vitest";
import type { Appended } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  acceptAll,
  append,
  bytes,
  detailOf,
  finished,
  jobOf,
  longMs,
  newEvent,
  newEvents,
  only,
} from "./steps.ts";

/** Batches, and appends at the same time. */
export function appendBatchCases(check: Case): void {
  check("A13 duplicates within a batch share the first id", async ({ store }) => {
    const [x, y] = [newEvent(), newEvent()];
    const answers = await store.append([x, y, x, x]);
    expect(outcomes(answers)).toEqual(["ACCEPTED", "ACCEPTED", "DUPLICATE", "DUPLICATE"]);
    expect(new Set([0, 2, 3].map((index) => answers[index]?.jobId)).size).toBe(1);
    expect((await store.counts()).byState.QUEUED).toBe(2);
  });

  check("A14 a conflict within a batch leaves the first", async ({ store }) => {
    const x = newEvent();
    const answers = await store.append([x, { ...x, payload: bytes("other") }, x]);
    expect(outcomes(answers)).toEqual(["ACCEPTED", "CONFLICT", "DUPLICATE"]);
    const jobId = only([...new Set(answers.map((answer) => answer.jobId))]);
    expect((await detailOf(store, jobId)).payload).toEqual(x.payload);
  });

  check("A15 a mixed batch is answered by position", async ({ store }) => {
    const [known, done] = [newEvent(), newEvent()];
    const doneId = await finished(store, "SUCCEEDED", done);
    const { jobId } = await append(store, known);
    const [a, b] = [newEvent(), newEvent()];
    const answers = await store.append([a, known, { ...known, type: "other" }, done, b, a]);
    expect(outcomes(answers)).toEqual([
      "ACCEPTED",
      "DUPLICATE",
      "CONFLICT",
      "DUPLICATE",
      "ACCEPTED",
      "DUPLICATE",
    ]);
    const [idA, idB] = [answers[0]?.jobId ?? "", answers[4]?.jobId ?? ""];
    expect(answers.map((answer) => answer.jobId)).toEqual([idA, jobId, jobId, doneId, idB, idA]);
    expect((await jobOf(store, idB)).eventId).toBe(b.eventId);
  });

  check("A15 known events anywhere in a large batch are answered by position", async ({ store }) => {
    const events = newEvents(260);
    const known = await acceptAll(
      store,
      events.filter((_, index) => isKnown(index)),
    );
    const batch = events.map((event, index) => (index === 200 ? { ...event, type: "other" } : event));
    const answers = await store.append(batch);
    const expected = events.map((_, index): Appended["outcome"] =>
      isKnown(index) ? "DUPLICATE" : "ACCEPTED",
    );
    expect(outcomes(answers)).toEqual(expected.with(200, "CONFLICT"));
    const ids = answers.map(({ jobId }) => jobId);
    expect(ids.filter((_, index) => isKnown(index))).toEqual(known);
    const fresh = ids.filter((_, index) => !isKnown(index));
    expect(fresh).toEqual(fresh.toSorted());
    const jobs = await Promise.all(ids.map((jobId) => detailOf(store, jobId)));
    expect(jobs.map(({ eventId, payload }) => [eventId, Buffer.from(payload).toString()])).toEqual(
      events.map(({ eventId, payload }) => [eventId, Buffer.from(payload).toString()]),
    );
    expect((await store.counts()).byState.QUEUED).toBe(260);
    expect(await store.claim(await store.openSession("worker", longMs), 300)).toHaveLength(260);
  });

  check(
    "A16 two batches with the same keys in opposite order: no deadlock, one winner a key",
    async ({ store, second }) => {
      const other = await second();
      for (let round = 0; round < 100; round++) {
        const events = newEvents(10);
        const [forward, backward] = await Promise.all([
          store.append(events),
          other.append(events.toReversed()),
        ]);
        for (const [index, answer] of forward.entries()) {
          const reply = backward.at(-1 - index);
          expect(reply?.jobId).toBe(answer.jobId);
          expect([answer.outcome, reply?.outcome]).toContain("ACCEPTED");
          expect([answer.outcome, reply?.outcome]).toContain("DUPLICATE");
        }
      }
      expect((await store.counts()).byState.QUEUED).toBe(1000);
    },
  );

  check("A17 16 appends of one key at once make one job", async ({ store, second }) => {
    const event = newEvent();
    const handles = [store, await second()];
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, index) => append(handles[index % 2] ?? store, event)),
    );
    expect(outcomes(answers).filter((outcome) => outcome === "ACCEPTED")).toHaveLength(1);
    expect(outcomes(answers).filter((outcome) => outcome === "DUPLICATE")).toHaveLength(15);
    expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
    expect((await store.counts()).byState.QUEUED).toBe(1);
  });

  check(
    "A23 what an append answered is seen by the next call, whatever the handle",
    async ({ store, second }) => {
      const other = await second();
      for (let round = 0; round < 20; round++) {
        const event = newEvent();
        const { jobId } = await append(store, event);
        expect((await jobOf(other, jobId)).eventId).toBe(event.eventId);
        expect(await append(other, event)).toEqual({ outcome: "DUPLICATE", jobId });
      }
    },
  );

  check("A24 lookup answers as append would, and writes nothing", async ({ store }) => {
    const [known, gone, fresh] = [newEvent(), newEvent(), newEvent()];
    const doneId = await finished(store, "SUCCEEDED", gone);
    const { jobId } = await append(store, known);
    const asked = [fresh, known, { ...known, timestamp: 9n }, { ...known, type: "other" }, gone, fresh];
    expect(await store.lookup(asked)).toEqual([
      null,
      { outcome: "DUPLICATE", jobId },
      { outcome: "DUPLICATE", jobId },
      { outcome: "CONFLICT", jobId },
      { outcome: "DUPLICATE", jobId: doneId },
      null,
    ]);
    expect(await store.lookup([{ ...known, tenant: "t2" }])).toEqual([null]);
    expect((await store.counts()).byState).toMatchObject({ QUEUED: 1, SUCCEEDED: 1 });
    expect((await append(store, fresh)).outcome).toBe("ACCEPTED");
  });

  check("A25 ids are UUIDv7 in 36 characters, ordered as accepted", async ({ store, elapse }) => {
    const ids = await acceptAll(store, newEvents(50));
    ids.push(...(await acceptAll(store, newEvents(2))));
    await elapse();
    ids.push(...(await acceptAll(store, newEvents(2))));
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
}

/** Runs of many lengths, among 260. */
const isKnown = (index: number) => [0, 49, 50, 99, 259].includes(index) || (index >= 120 && index < 230);

const outcomes = (answers: readonly Appended[]) => answers.map(({ outcome }) => outcome);
