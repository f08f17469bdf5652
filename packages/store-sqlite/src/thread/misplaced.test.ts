import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { relative } from "node:path";
import { needs } from "@event-ingestion/needs";
import { type JobStore, StoreError } from "@event-ingestion/store";
import { expect, test, vi } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { failingDisk } from "../testing/failing-disk.ts";
import { newEvent } from "../testing/new-event.ts";
import { startStoreProcess } from "../testing/store-process.ts";
import { tempFolder } from "../testing/temp-folder.ts";

const small = { reserveBytes: 0 };
const soon = { timeout: 10_000, interval: 20 };

/** A store with one job in FOLDER/data/events.db. */
async function openWithJob(file: string): Promise<{ store: JobStore; jobId: string }> {
  const store = await openSqliteStore(`sqlite:${file}`, small);
  const [job] = await store.append([newEvent("first")]);
  return { store, jobId: job?.jobId ?? "" };
}

test.concurrent.each([
  {
    what: "its folder is moved away",
    part: (data: string) => renameSync(data, `${data}-moved`),
    join: (data: string) => renameSync(`${data}-moved`, data),
    says: /events\.db is gone from its place \(deleted, moved or unmounted\)/,
  },
  {
    what: "another folder is in the place of its folder, as when something is mounted there",
    part: (data: string) => {
      renameSync(data, `${data}-moved`);
      mkdirSync(data);
    },
    join: (data: string) => {
      rmSync(data, { recursive: true });
      renameSync(`${data}-moved`, data);
    },
    says: /events\.db is gone from its place/,
  },
  {
    what: "it is moved away",
    part: (data: string) => renameSync(`${data}/events.db`, `${data}/old.db`),
    join: (data: string) => renameSync(`${data}/old.db`, `${data}/events.db`),
    says: /events\.db is gone from its place/,
  },
  {
    what: "a copy is in its place",
    part: (data: string) => {
      renameSync(`${data}/events.db`, `${data}/old.db`);
      copyFileSync(`${data}/old.db`, `${data}/events.db`);
    },
    join: (data: string) => renameSync(`${data}/old.db`, `${data}/events.db`),
    says: /another file is in the place of .*events\.db /,
  },
  {
    what: "another log is in the place of its log",
    part: (data: string) => {
      renameSync(`${data}/events.db-wal`, `${data}/old.db-wal`);
      copyFileSync(`${data}/old.db-wal`, `${data}/events.db-wal`);
    },
    join: () => {},
    says: /another file is in the place of .*events\.db-wal/,
  },
  {
    what: "its log is deleted",
    part: (data: string) => unlinkSync(`${data}/events.db-wal`),
    join: () => {},
    says: /events\.db-wal is gone from its place/,
  },
])(
  "an open store whose path no longer leads to it, as $what, is not written, says why, and recovers",
  async ({ part, join, says }) => {
    using folder = tempFolder();
    const data = folder.file("data");
    const { store, jobId } = await openWithJob(`${data}/events.db`);
    part(data);
    await vi.waitFor(() => expect(store.health).toMatchObject({ writable: false, reason: says }), soon);
    const refused: unknown = await store.append([newEvent("second")]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreError);
    expect(refused).toMatchObject({ outcome: "notApplied", reason: "unavailable" });

    join(data);
    await vi.waitFor(() => expect(store.health).toEqual({ writable: true }), soon);
    expect(await store.get([jobId])).toMatchObject([{ eventId: "first" }]);
    expect(await store.append([newEvent("second")])).toMatchObject([{ outcome: "ACCEPTED" }]);
    await store.close();
    const again = await openSqliteStore(`sqlite:${data}/events.db`, small);
    expect((await again.counts()).byState.QUEUED).toBe(2);
    await again.close();
  },
);

test("what is deleted can be read until the process ends, and nothing is made in its place", async () => {
  using folder = tempFolder();
  const { store, jobId } = await openWithJob(folder.file("data/events.db"));
  rmSync(folder.file("data"), { recursive: true });
  await vi.waitFor(() => expect(store.health.writable).toBe(false), soon);
  await expect(
    store.maintain({ workerLostLimit: 3, keepMs: { SUCCEEDED: 1, DEAD: 1, CANCELLED: 1 } }),
  ).rejects.toThrow("is gone from its place");
  expect(await store.get([jobId])).toMatchObject([{ eventId: "first" }]);
  await store.close();
  expect(existsSync(folder.file("data"))).toBe(false);
});

test("a symbolic link that leads elsewhere is noticed", async () => {
  using folder = tempFolder();
  const link = folder.file("events.db");
  await (await openSqliteStore(`sqlite:${folder.file("one.db")}`, small)).close();
  await (await openSqliteStore(`sqlite:${folder.file("two.db")}`, small)).close();
  symlinkSync(folder.file("one.db"), link);
  const { store } = await openWithJob(link);
  rmSync(link);
  symlinkSync(folder.file("two.db"), link);
  await vi.waitFor(
    () => expect(store.health).toMatchObject({ reason: /^another file is in the place of/ }),
    soon,
  );
  await store.close();
});

test(
  "after a failed disk, a store that was moved is not made anew, and goes on when it is back",
  needs("strace"),
  async () => {
    using folder = tempFolder();
    const data = folder.file("data");
    await using other = startStoreProcess(
      `sqlite:${data}/events.db`,
      `const fs = await import("node:fs");
     const { setTimeout: sleep } = await import("node:timers/promises");
     const [{ jobId }] = await store.append([newEvent("first")]);
     fs.renameSync(${JSON.stringify(data)}, ${JSON.stringify(`${data}-moved`)});
     let failed = 0;
     while (!/is empty or missing/.test(store.health.reason ?? "")) {
       await store.append([newEvent("e" + failed++)]).catch(() => sleep(20));
     }
     say({ made: fs.existsSync(${JSON.stringify(data)}), status: await store.get([jobId]).catch(({ reason }) => reason) });
     fs.renameSync(${JSON.stringify(`${data}-moved`)}, ${JSON.stringify(data)});
     while (!store.health.writable) await sleep(20);
     say((await store.append([newEvent("first")]))[0].jobId === jobId);
     await store.close();`,
      failingDisk,
    );
    expect(JSON.parse(await other.next())).toEqual({ made: false, status: "unavailable" });
    expect(JSON.parse(await other.next())).toBe(true);
  },
);

test(
  "a relative path leads to the same store after a change of the working directory and a failed disk",
  needs("strace"),
  async () => {
    using folder = tempFolder();
    mkdirSync(folder.file("elsewhere"));
    await using other = startStoreProcess(
      `sqlite:${relative(process.cwd(), folder.file("events.db"))}`,
      `const { setTimeout: sleep } = await import("node:timers/promises");
     const [{ jobId }] = await store.append([newEvent("first")]);
     process.chdir(${JSON.stringify(folder.file("elsewhere"))});
     for (let n = 0; store.health.writable; n++) await store.append([newEvent("e" + n)]).catch(() => {});
     while (!store.health.writable) await sleep(20);
     say((await store.append([newEvent("first")]))[0].jobId === jobId);
     await store.close();`,
      failingDisk,
    );
    expect(JSON.parse(await other.next())).toBe(true);
  },
);
