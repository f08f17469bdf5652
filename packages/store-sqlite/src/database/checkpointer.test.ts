import { readFileSync, statSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent } from "../testing/new-event.ts";
import { tempFolder } from "../testing/temp-folder.ts";

const mebibyte = 1024 * 1024;

test("commits are merged into the file once nothing goes on, polls of an empty queue aside", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const store = await openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 });
  const session = await store.openSession("worker", 60_000);
  await store.append([newEvent("needle", { runAt: Date.now() + 3_600_000 })]);
  expect(readFileSync(file).includes("payload of needle")).toBe(false);
  await vi.waitFor(
    async () => {
      expect(await store.claim(session, 1)).toEqual([]);
      expect(readFileSync(file).includes("payload of needle")).toBe(true);
    },
    { timeout: 15_000, interval: 100 },
  );
  await store.close();
});

test("the log stays small however much is written, and is gone when the store is closed", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const store = await openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 });
  for (let n = 0; n < 60; n++) {
    await store.append([newEvent(`large-${n}`, { payload: new Uint8Array(mebibyte) })]);
  }
  expect(statSync(`${file}-wal`).size).toBeLessThan(20 * mebibyte);
  expect(statSync(file).size).toBeGreaterThan(40 * mebibyte);
  await store.close();
  expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBeUndefined();
});
