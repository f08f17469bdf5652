import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent } from "../testing/new-event.ts";

test("work is hinted when each scheduled job becomes due, without any call", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const hints = store.hints(AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
  await store.append([newEvent("far", { runAt: Date.now() + 3_600_000 })]);
  const now = Date.now();
  await store.append([newEvent("near", { runAt: now + 300 }), newEvent("next", { runAt: now + 600 })]);
  for (const runAt of [now + 300, now + 600]) {
    expect(await hints.next()).toEqual({ done: false, value: "work" });
    expect(Date.now()).toBeGreaterThanOrEqual(runAt);
  }
  await store.close();
});

test("work is hinted when the delay of a retry is over", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  await store.append([newEvent("a")]);
  const session = await store.openSession("worker", 60_000);
  const [leased] = await store.claim(session, 1);
  const jobId = leased?.jobId ?? "";
  await store.settle(session, [{ jobId, attempt: 1, as: "retry", delayMs: 300, error: "later" }]);
  const [job] = await store.get([jobId]);
  const hints = store.hints(AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
  expect(await hints.next()).toEqual({ done: false, value: "work" });
  expect(Date.now()).toBeGreaterThanOrEqual(job?.nextAttemptAt ?? Infinity);
  await store.close();
});

test("a clock that was moved is noticed with the next call", async () => {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
  await store.append([newEvent("a", { runAt: Date.now() + 3_600_000 })]);
  const hints = store.hints(AbortSignal.timeout(15_000))[Symbol.asyncIterator]();
  Atomics.add(new BigInt64Array(clockOffset), 0, 3_600_000n);
  await store.counts();
  expect(await hints.next()).toEqual({ done: false, value: "work" });
  await store.close();
});
