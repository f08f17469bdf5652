import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent, newEvents } from "../testing/new-event.ts";

test("a claim of large jobs is bounded by their size, and the next one goes on where it ended", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const payload = new Uint8Array(1024 * 1024);
  await store.append(newEvents("e", 5, { payload }));
  const session = await store.openSession("worker", 60_000);
  const first = await store.claim(session, 1000);
  expect(first).toHaveLength(3);
  const second = await store.claim(session, 1000);
  expect([...first, ...second].map(({ event }) => event.eventId)).toEqual(
    Array.from({ length: 5 }, (_, index) => `e-${index}`),
  );
  await store.close();
});

test("a job that runs for long keeps little alive of those it was claimed with", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const session = await store.openSession("worker", 60_000);
  for (const bytes of [100, 10_000]) {
    await store.append(newEvents(`${bytes}`, 100, { payload: new Uint8Array(bytes) }));
    const leased = await store.claim(session, 100);
    expect(leased.map(({ event }) => event.payload.byteLength)).toEqual(leased.map(() => bytes));
    for (const { event } of leased) expect(event.payload.buffer.byteLength).toBeLessThan(300_000);
  }
  await store.close();
});

test("a trace comes back with the claim; what cannot be one is dropped, and the event is sound", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const traces = [trace, "a\0b", "a\ud800b", "", "x".repeat(513), undefined];
  await store.append(
    traces.map((text, index) => newEvent(`e${index}`, text === undefined ? {} : { trace: text })),
  );
  const session = await store.openSession("worker", 60_000);
  const leased = await store.claim(session, 10);
  expect(leased.map(({ event }) => event.trace)).toEqual([
    trace,
    ...Array.from({ length: 5 }, () => undefined),
  ]);
  await store.close();
});
