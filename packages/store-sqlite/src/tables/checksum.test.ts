import { readFileSync, writeFileSync } from "node:fs";
import type { JobId, JobStore } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent } from "../testing/new-event.ts";
import { tempFolder } from "../testing/temp-folder.ts";

/** Stores two jobs, changes one byte in the closed file where that text first stands, and opens it again. */
async function withFlippedByte(
  text: string,
  check: (store: JobStore, jobs: { damaged: JobId; sound: JobId; file: string }) => Promise<void>,
): Promise<void> {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const open = () => openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 });
  const before = await open();
  const payload = Buffer.from("needle in the payload");
  const [first, second] = await before.append([
    newEvent("damaged", { payload, type: "needle.type", trace: "needle-trace" }),
    newEvent("sound"),
  ]);
  await before.close();
  const bytes = readFileSync(file);
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(0);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const store = await open();
  await check(store, { damaged: first?.jobId ?? "", sound: second?.jobId ?? "", file }).finally(() =>
    store.close(),
  );
}

const corrupt = { outcome: "notApplied", reason: "corrupt" };

test("a byte that flipped in a payload is found when it is read, and nothing more is written", async () => {
  await withFlippedByte("needle in the payload", async (store, { damaged, sound, file }) => {
    expect(store.health.writable).toBe(true);
    await expect(store.getDetail(damaged)).rejects.toMatchObject(corrupt);
    await expect(store.getDetail(damaged)).rejects.toThrow(`job 1 of store ${file} is damaged`);
    expect(store.health).toMatchObject({
      writable: false,
      reason: expect.stringContaining("job 1 of store"),
    });
    await expect(store.append([newEvent("late")])).rejects.toMatchObject(corrupt);
    expect((await store.getDetail(sound))?.eventId).toBe("sound");
    expect(await store.lookup([newEvent("sound")])).toMatchObject([{ outcome: "DUPLICATE", jobId: sound }]);
  });
});

test.each(["needle.type", "needle-trace"])(
  "a byte that flipped in %s is found without the payload",
  async (text) => {
    await withFlippedByte(text, async (store, { damaged, sound }) => {
      await expect(store.get([sound, damaged])).rejects.toMatchObject(corrupt);
      expect(await store.get([sound])).toMatchObject([{ eventId: "sound" }]);
    });
  },
);

test("a damaged job is handed to no worker, and its event gets no second job", async () => {
  await withFlippedByte("needle in the payload", async (store, { damaged, sound }) => {
    const session = await store.openSession("worker", 60_000);
    await expect(store.claim(session, 10)).rejects.toMatchObject(corrupt);
    expect(await store.get([damaged, sound])).toMatchObject([{ state: "QUEUED" }, { state: "QUEUED" }]);
    await expect(store.lookup([newEvent("damaged")])).rejects.toMatchObject(corrupt);
  });
});
