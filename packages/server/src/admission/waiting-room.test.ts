import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, test } from "vitest";
import { createWaitingRoom, maxWaitMs, type WaitingRoom } from "./waiting-room.ts";

/** A room over a store whose calls the test answers, with a clock of its own. */
async function setup({ maxPendingEvents = 20_000, callMs = 1, eventBytes = 1 } = {}) {
  let now = 0;
  const calls: { events: number; answer: () => void }[] = [];
  const room = createWaitingRoom<string, string>({
    run: (events) =>
      new Promise((resolve) => calls.push({ events: events.length, answer: () => resolve([...events]) })),
    bytesOf: () => eventBytes,
    maxPendingEvents,
    maxPendingBytes: 1_000_000,
    caps: { maxBatch: 1000, maxBatchBytes: 1_000_000, writers: 1, exclusive: false },
    now: () => now,
  });
  /** Lets batches of 1,000 events in. */
  const bring = async (batches: number) => {
    for (let n = 0; n < batches; n++) void room.submit(Array.from({ length: 1000 }, () => "event"));
    await settled();
  };
  /** Ends the oldest call, after so many ms. */
  const answer = async (ms = 1) => {
    now += ms;
    calls.shift()?.answer();
    await settled();
  };
  for (let n = 0; n < 50; n++) {
    await bring(1);
    await answer(callMs);
  }
  return { room, bring, answer };
}

/** In the order in which their turns come. */
function queueUp(room: Pick<WaitingRoom<never, never>, "turn">, names: readonly string[]): string[] {
  const turns: string[] = [];
  for (const name of names) void Promise.resolve(room.turn()).then(() => turns.push(name));
  return turns;
}

/** Lets everybody go whose turn it is, and the next call begin. */
const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("is bounded by number and by bytes", async () => {
  const { room, bring } = await setup({ eventBytes: 50 });
  // One call is under way, so 19 batches wait.
  await bring(20);
  expect(room.fits(1000, 50_000)).toBe(true);
  expect(room.fits(1001, 50_000)).toBe(false);
  expect(room.fits(1000, 50_001)).toBe(false);
});

test("is bounded by the time that the store takes for what waits", async () => {
  const { room } = await setup({ callMs: 25 });
  const most = (maxWaitMs / 25) * 1000;
  expect(room.fits(0.99 * most)).toBe(true);
  expect(room.fits(1.01 * most)).toBe(false);
});

test("a slow store has enough to do all the same, unless it was said that less may wait", async () => {
  const slow = await setup({ callMs: 1000 });
  expect(slow.room.fits(8000)).toBe(true);
  expect(slow.room.fits(8001)).toBe(false);
  const small = await setup({ callMs: 1000, maxPendingEvents: 5000 });
  expect(small.room.fits(5001)).toBe(false);
});

test("who is refused is told to come back when there is room", async () => {
  const { room } = await setup({ callMs: 100 });
  const delays = [30_000, 20_000].map((events) => {
    const [retry] = room.refuse(events).findDetails(RetryInfoSchema);
    return Number(retry?.retryDelay?.seconds) + Number(retry?.retryDelay?.nanos) / 1e9;
  });
  expect(delays[0]).toBeGreaterThanOrEqual(2.3);
  expect(delays[0]).toBeLessThanOrEqual(3.7);
  expect(delays[1]).toBeGreaterThanOrEqual(3.9);
  expect(delays[1]).toBeLessThanOrEqual(6.1);
});

test("streams take half of the room, and go on in the order they came, as many as there are calls to fill", async () => {
  const { room, bring, answer } = await setup();
  expect(room.turn()).toBeUndefined();
  await bring(11);
  const turns = queueUp(room, ["a", "b", "c", "d"]);
  await settled();
  expect(turns).toEqual([]);
  await answer();
  // There is a free place now, but it is for those who came before.
  void Promise.resolve(room.turn()).then(() => turns.push("last"));
  await settled();
  expect(turns).toEqual([]);
  await answer();
  expect(turns).toEqual(["a"]);
  await answer();
  expect(turns).toEqual(["a", "b", "c"]);
  await answer();
  expect(turns).toEqual(["a", "b", "c", "d", "last"]);
});

test("by bytes, too", async () => {
  const { room, bring } = await setup({ eventBytes: 501 });
  await bring(2);
  expect(room.turn()).toBeDefined();
});

test("when nothing waits any more it is everybody's turn: there might be no call again", async () => {
  const { room, bring, answer } = await setup({ maxPendingEvents: 2000 });
  const hundred = Array.from({ length: 100 }, (_, n) => `${n}`);
  await bring(2);
  const turns = queueUp(room, hundred);
  await answer();
  await answer();
  expect(turns).toEqual(hundred);
});
