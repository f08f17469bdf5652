import { StoreError } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { createSemaphore } from "./semaphore.ts";

test("so many have a turn at once, the others get theirs in order", async () => {
  const turns = createSemaphore(2);
  const [first, second] = [await turns.take(1000), await turns.take(1000)];
  const order: number[] = [];
  const waiting = [3, 4].map(async (who) => {
    const end = await turns.take(10_000);
    order.push(who);
    return end;
  });
  expect(order).toEqual([]);
  second();
  const third = await waiting[0];
  expect(order).toEqual([3]);
  first();
  const fourth = await waiting[1];
  expect(order).toEqual([3, 4]);
  const over = turns.over();
  third?.();
  fourth?.();
  await over;
});

test("who gets no turn in time is told that nothing was done, and is forgotten", async () => {
  const turns = createSemaphore(1);
  const end = await turns.take(1000);
  const late = await turns.take(10).catch((error: unknown) => error);
  expect(late).toBeInstanceOf(StoreError);
  expect(late).toMatchObject({ outcome: "notApplied", reason: "overloaded" });
  end();
  await turns.over();
  (await turns.take(1000))();
});
