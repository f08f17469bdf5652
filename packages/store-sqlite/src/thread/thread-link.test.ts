import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { JobStore } from "@event-ingestion/store";
import { expect, onTestFinished, test, vi } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent } from "../testing/new-event.ts";

test("when the thread dies, what was under way is told so, and nothing hangs", async () => {
  const { store, thread } = await openWithThread();
  const hints = store.hints(new AbortController().signal)[Symbol.asyncIterator]();

  const terminated = thread.terminate();
  const write = store.append([newEvent("a")]);
  const read = store.get([]);
  await expect(write).rejects.toMatchObject({ outcome: "unknown", reason: "unavailable" });
  await expect(read).rejects.toMatchObject({ outcome: "notApplied", reason: "unavailable" });
  await terminated;

  expect(store.health).toEqual({ writable: false, reason: "the thread of the store ended" });
  expect(await store.ended).toMatchObject({ message: "the thread of the store ended" });
  await expect(store.append([newEvent("b")])).rejects.toMatchObject({
    outcome: "notApplied",
    reason: "unavailable",
  });
  expect(await hints.next()).toMatchObject({ done: true });
  await store.close();
});

test("a thread that breaks says why", async () => {
  const { store, thread } = await openWithThread();
  // No call of the port is a message without a name, so nothing expects it.
  thread.postMessage(null);
  const reason = await store.ended;
  expect(reason).toMatchObject({ reason: "unavailable", message: "the thread of the store failed" });
  expect(reason?.cause).toBeInstanceOf(TypeError);
  expect(store.health).toEqual({ writable: false, reason: "the thread of the store failed" });
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
  // It has not ended by itself, however long one waits.
  expect(await Promise.race([store.ended, sleep(50, "closed")])).toBe("closed");
});

test("arguments that cannot cross threads reject, and only that call", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const session = { id: "", ttlMs: 1, toString: () => "a session" };
  await expect(store.heartbeat(session)).rejects.toThrow("could not be cloned");
  expect(await store.append([newEvent("a")])).toMatchObject([{ outcome: "ACCEPTED" }]);
  await store.close();
});

/** A store in memory, and the thread it lives in. */
async function openWithThread(): Promise<{ store: JobStore; thread: Worker }> {
  const post = vi.spyOn(Worker.prototype, "postMessage");
  onTestFinished(() => post.mockRestore());
  const store = await openSqliteStore("sqlite::memory:");
  await store.counts();
  const [thread] = post.mock.contexts;
  if (!(thread instanceof Worker)) throw new Error("nothing was posted to a thread");
  return { store, thread };
}

test("flags for the memory or the name of the process do not keep the thread from starting; code to load goes along", async () => {
  const code = `
    import { openSqliteStore } from ${JSON.stringify(new URL("../sqlite-store.ts", import.meta.url).href)};
    const store = await openSqliteStore("sqlite::memory:");
    await store.close();`;
  const loaded = `data:text/javascript,${encodeURIComponent(`
    import { isMainThread } from "node:worker_threads";
    console.log("loaded", isMainThread);`)}`;
  const flags = ["--max-old-space-size=200", "--title=store", "--expose-gc", "--import", loaded];
  const args = [...flags, "--input-type=module", "--eval", code];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout.trim().split("\n").toSorted()).toEqual(["loaded false", "loaded true"]);
});
