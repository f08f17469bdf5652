import { expect } from "vitest";
import type { NewEvent } from "../job-store.ts";
import type { Case } from "./case.ts";
import {
  accept,
  acceptAll,
  detailOf,
  expectInvalid,
  longMs,
  jobOf,
  newEvent,
  newEvents,
  nowOf,
  only,
  take,
} from "./steps.ts";

/** What an event may hold, at both sides of each limit. */
export function appendLimitCases(check: Case): void {
  check("A18 keys of 128 bytes are kept, longer or broken ones refuse the batch", async ({ store }) => {
    const wide = "é".repeat(64);
    const event = newEvent({ eventId: wide, type: wide, tenant: wide });
    const jobId = only(await acceptAll(store, [event]));
    expect(await jobOf(store, jobId)).toMatchObject({ eventId: wide, type: wide, tenant: wide });
    expect(await store.find(wide, [wide])).toEqual([jobId]);
    const neighbour = newEvent();
    for (const broken of [`${wide}x`, "a\0b", "\ud800", "x\udc00"]) {
      for (const field of ["eventId", "type", "tenant"] as const) {
        await expectInvalid(store.append([neighbour, newEvent({ [field]: broken })]));
      }
    }
    await expectInvalid(store.append([newEvent({ eventId: "" }), neighbour]));
    expect(await store.lookup([neighbour])).toEqual([null]);
    expect((await store.counts()).byState.QUEUED).toBe(1);
  });

  check(
    "A19 payloads of 0 bytes, of the limit and with U+0000 are kept, a longer one is refused",
    async ({ store }) => {
      const { maxPayloadBytes } = store.caps;
      const large = new Uint8Array(maxPayloadBytes).fill(0x61);
      for (const payload of [new Uint8Array(), large, new TextEncoder().encode("a\0b\0")]) {
        const jobId = await accept(store, { payload });
        expect(Buffer.compare((await detailOf(store, jobId)).payload, payload)).toBe(0);
      }
      const neighbour = newEvent();
      const tooLarge = newEvent({ payload: new Uint8Array(maxPayloadBytes + 1) });
      await expectInvalid(store.append([neighbour, tooLarge]));
      expect(await store.lookup([neighbour, tooLarge])).toEqual([null, null]);
    },
  );

  check("A20 a batch of maxBatch is stored, one more event refuses it", async ({ store }) => {
    const { maxBatch } = store.caps;
    await acceptAll(store, newEvents(maxBatch));
    expect((await store.counts()).byState.QUEUED).toBe(maxBatch);
    await expectInvalid(store.append(newEvents(maxBatch + 1)));
    expect((await store.counts()).byState.QUEUED).toBe(maxBatch);
  });

  check(
    "A21 timestamps and maxAttempts are kept at both ends of their range, refused beyond",
    async ({ store }) => {
      const ends: Partial<NewEvent>[] = [
        { timestamp: -(2n ** 63n), maxAttempts: 1 },
        { timestamp: 2n ** 63n - 1n, maxAttempts: 1000 },
        { timestamp: 2n ** 53n + 1n },
      ];
      const session = await store.openSession("worker", longMs);
      for (const end of ends) {
        const jobId = await accept(store, end);
        expect(await jobOf(store, jobId)).toMatchObject(end);
        expect((await take(store, session)).event).toMatchObject(end);
      }
      const beyond: Partial<NewEvent>[] = [
        { timestamp: -(2n ** 63n) - 1n },
        { timestamp: 2n ** 63n },
        { maxAttempts: 0 },
        { maxAttempts: 1001 },
        { maxAttempts: 1.5 },
      ];
      for (const wrong of beyond) await expectInvalid(store.append([newEvent(wrong)]));
    },
  );

  check(
    "A22 an event with a future runAt is not claimed before it, one with a past runAt at once",
    async ({ store, spanMs, elapse }) => {
      const session = await store.openSession("worker", longMs);
      const now = await nowOf(store);
      const later = await accept(store, { runAt: now + spanMs });
      const past = await accept(store, { runAt: now - longMs });
      expect(await jobOf(store, later)).toMatchObject({ state: "QUEUED", nextAttemptAt: now + spanMs });
      expect((await store.claim(session, 10)).map(({ jobId }) => jobId)).toEqual([past]);
      await elapse();
      expect((await take(store, session)).jobId).toBe(later);
    },
  );
}
