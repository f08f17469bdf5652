import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, test } from "vitest";
import { createWaitingRoom, maxWaitMs } from "./waiting-room.ts";

function setup({ maxPendingEvents = 20_000, callMs = 1 } = {}) {
  let now = 0;
  const pending = { items: 0, bytes: 0 };
  const room = createWaitingRoom({
    maxPendingEvents,
    maxPendingBytes: 1_000_000,
    caps: { maxBatch: 1000, writers: 1 },
    pending,
    now: () => now,
  });
  const call = (events: number, ms: number) => {
    const answered = room.leave(events);
    now += ms;
    answered();
  };
  for (let n = 0; n < 50; n++) call(1000, callMs);
  return { room, pending, call };
}

/** In the order in which their turns come. */
function queueUp(room: ReturnType<typeof createWaitingRoom>, names: readonly string[]): string[] {
  const turns: string[] = [];
  for (const name of names) void Promise.resolve(room.turn()).then(() => turns.push(name));
  return turns;
}

/** Lets everybody go whose turn it is. */
const settled = () => new Promise(setImmediate);

test("is bounded by number and by bytes", () => {
  const { room, pending } = setup();
  pending.items = 19_000;
  pending.bytes = 900_000;
  expect(room.fits(1000, 100_000)).toBe(true);
  expect(room.fits(1001, 100_000)).toBe(false);
  expect(room.fits(1000, 100_001)).toBe(false);
});

test("is bounded by the time that the store takes for what waits", () => {
  const { room } = setup({ callMs: 25 });
  const most = (maxWaitMs / 25) * 1000;
  expect(room.fits(0.99 * most)).toBe(true);
  expect(room.fits(1.01 * most)).toBe(false);
});

test("a slow store has enough to do all the same, unless it was said that less may wait", () => {
  expect(setup({ callMs: 1000 }).room.fits(8000)).toBe(true);
  expect(setup({ callMs: 1000 }).room.fits(8001)).toBe(false);
  expect(setup({ callMs: 1000, maxPendingEvents: 5000 }).room.fits(5001)).toBe(false);
});

test("who is refused is told to come back when there is room", () => {
  const { room } = setup({ callMs: 100 });
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
  const { room, pending, call } = setup();
  expect(room.turn()).toBeUndefined();
  pending.items = 10_000;
  const turns = queueUp(room, ["a", "b", "c", "d"]);
  await settled();
  expect(turns).toEqual([]);
  pending.items = 9000;
  // A place that is free is for those who came before.
  void Promise.resolve(room.turn()).then(() => turns.push("last"));
  call(1000, 1);
  await settled();
  expect(turns).toEqual(["a"]);
  pending.items = 8000;
  call(1000, 1);
  await settled();
  expect(turns).toEqual(["a", "b", "c"]);
  pending.items = 0;
  call(1000, 1);
  await settled();
  expect(turns).toEqual(["a", "b", "c", "d", "last"]);
});

test("by bytes, too", () => {
  const { room, pending } = setup();
  pending.items = 10;
  pending.bytes = 500_001;
  expect(room.turn()).toBeDefined();
});

test("when nothing waits any more it is everybody's turn: there might be no call again", async () => {
  const { room, pending, call } = setup();
  const hundred = Array.from({ length: 100 }, (_, n) => `${n}`);
  pending.items = 10_000;
  const turns = queueUp(room, hundred);
  pending.items = 0;
  call(1000, 1);
  await settled();
  expect(turns).toEqual(hundred);
});
