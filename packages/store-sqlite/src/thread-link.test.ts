import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test, vi } from "vitest";
import { openSqliteStore } from "./sqlite-store.ts";
import { newEvent } from "./testing/new-event.ts";

test("when the thread dies, what was under way is told so, and nothing hangs", async () => {
  const post = vi.spyOn(Worker.prototype, "postMessage");
  onTestFinished(() => post.mockRestore());
  const store = await openSqliteStore("sqlite::memory:");
  await store.counts();
  const [thread] = post.mock.contexts;
  if (!(thread instanceof Worker)) throw new Error("nothing was posted to a thread");
  const hints = store.hints(new AbortController().signal)[Symbol.asyncIterator]();

  const ended = thread.terminate();
  const write = store.append([newEvent("a")]);
  const read = store.get([]);
  await expect(write).rejects.toMatchObject({ outcome: "unknown", reason: "unavailable" });
  await expect(read).rejects.toMatchObject({ outcome: "notApplied", reason: "unavailable" });
  await ended;

  expect(store.health).toEqual({ writable: false, reason: "the thread of the store ended" });
  await expect(store.append([newEvent("b")])).rejects.toMatchObject({
    outcome: "notApplied",
    reason: "unavailable",
  });
  expect(await hints.next()).toMatchObject({ done: true });
  await store.close();
});

test("close finishes what is under way and ends all that comes later", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const hints = store.hints(new AbortController().signal)[Symbol.asyncIterator]();
  const appended = store.append([newEvent("a")]);
  const closed = store.close();
  await expect(store.counts()).rejects.toMatchObject({ outcome: "notApplied", reason: "unavailable" });
  expect(await appended).toMatchObject([{ outcome: "ACCEPTED" }]);
  await closed;
  await store.close();
  expect(store.health).toEqual({ writable: false, reason: "the store is closed" });
  expect(await hints.next()).toMatchObject({ done: true });
});

test("arguments that cannot cross threads reject, and only that call", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const event = { ...newEvent("a"), toString: () => "a" };
  await expect(store.append([event])).rejects.toThrow("could not be cloned");
  expect(await store.append([newEvent("a")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  await store.close();
});
