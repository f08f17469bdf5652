import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { packEvents } from "../operations/event-columns.ts";
import { newEvent } from "../testing/new-event.ts";
import { createTestEngine } from "../testing/test-engine.ts";
import { tempFolder } from "../testing/temp-folder.ts";

test("a call that is wrong fails alone, however many share its transaction", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const session = await store.openSession("worker", 60_000);
  const results = await Promise.allSettled([
    store.append([newEvent("a")]),
    store.append([newEvent("b"), newEvent("")]),
    store.append([newEvent("c")]),
    store.settle(session, [{ jobId: "x", attempt: 1, as: "succeeded", result: new Uint8Array(65_537) }]),
    store.append([newEvent("d")]),
  ]);
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  const invalid = { reason: { outcome: "notApplied", reason: "invalid" } };
  expect([results[1], results[3]]).toMatchObject([invalid, invalid]);
  expect(await store.find("", ["a", "b", "c", "d"])).toEqual([
    expect.any(String),
    null,
    expect.any(String),
    expect.any(String),
  ]);
  expect((await store.counts()).byState.QUEUED).toBe(3);
  expect(store.health).toEqual({ writable: true });
  await store.close();
});

test("what a call did before it failed is undone, and only that", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  // No type allows that trace, but it crosses threads and is found only when it is to be stored.
  const broken = newEvent("broken");
  Reflect.set(broken, "trace", {});
  const [first, second, third] = await Promise.allSettled([
    store.append([newEvent("before")]),
    store.append([newEvent("with"), broken]),
    store.append([newEvent("after")]),
  ]);
  expect([first.status, second.status, third.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await store.find("", ["with", "broken"])).toEqual([null, null]);
  const { jobs } = await store.list({ limit: 10 });
  expect(jobs.map(({ eventId }) => eventId)).toEqual(["after", "before"]);
  expect((await store.counts()).byState.QUEUED).toBe(2);
  await store.close();
});

test("hundreds of calls at once are answered each with its own", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);
  const answers = await Promise.all(keys.map((key) => store.append([newEvent(key), newEvent(key)])));
  const jobs = await Promise.all(answers.map(([first]) => store.get([first?.jobId ?? ""])));
  expect(jobs.map(([job]) => job?.eventId)).toEqual(keys);
  expect(answers.every(([a, b]) => a?.outcome === "ACCEPTED" && b?.outcome === "DUPLICATE")).toBe(true);
  await store.close();
});

const succeeded = (jobId: string) => ({ jobId, attempt: 1, as: "succeeded" }) as const;

test("an id that was made up around a known seq names no job", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const accepted = await store.append([newEvent("known"), newEvent("next")]);
  const [jobId = "", next = ""] = accepted.map((answer) => answer.jobId);
  const session = await store.openSession("worker", 60_000);
  expect(await store.claim(session, 2)).toHaveLength(2);
  // The last digits are random.
  const forged = jobId.slice(0, -1) + (jobId.endsWith("0") ? "1" : "0");
  expect(await store.get([forged])).toEqual([null]);
  expect(await store.getDetail(forged)).toBeNull();
  expect(await store.cancel([forged])).toEqual(["unknown"]);
  expect(await store.redrive([forged])).toEqual(["unknown"]);
  expect(await store.settle(session, [succeeded(forged)])).toEqual(["lost"]);
  expect(await store.settle(session, [succeeded(forged), succeeded(next)])).toEqual(["lost", "ok"]);
  expect(await store.get([jobId])).toMatchObject([{ state: "RUNNING", cancelRequested: false }]);
  await store.close();
});

test("an append that stores nothing new writes nothing", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const store = await openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 });
  const log = () => readFileSync(`${file}-wal`).toString("hex");
  await store.append([newEvent("a")]);
  const before = log();
  const other = newEvent("a", { payload: Buffer.from("other") });
  expect(await store.append([newEvent("a"), other])).toMatchObject([
    { outcome: "DUPLICATE" },
    { outcome: "CONFLICT" },
  ]);
  expect(log() === before).toBe(true);
  await store.append([newEvent("b")]);
  expect(log() === before).toBe(false);
  await store.close();
});

test("a transaction that failed leaves nothing that would be hinted", () => {
  const { db, engine } = createTestEngine();
  const events = packEvents([newEvent("a"), newEvent("b", { runAt: 1 })]);
  db.exec("CREATE TRIGGER broken BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'broken'); END");
  expect(engine.write([{ id: 0, name: "append", args: [events] }])).toMatchObject({ kind: "failed" });
  expect(engine.changes).toMatchObject({ jobs: [], work: false, nextDueAt: Infinity });
  db.close();
});
