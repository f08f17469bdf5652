import { StatementSync } from "node:sqlite";
import type { JobId, Session } from "@event-ingestion/store";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { packEvents } from "../operations/event-columns.ts";
import type { OperationName } from "../operations/operations.ts";
import { packVerdicts } from "../operations/verdict-columns.ts";
import { newEvent } from "../testing/new-event.ts";
import { tempFolder } from "../testing/temp-folder.ts";
import { type Told, openThreadStore } from "./thread-store.ts";

// The store in this thread, so that time is what the test says.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setup() {
  const folder = tempFolder();
  const told: Told[] = [];
  const file = folder.file("events.db");
  const store = openThreadStore({ file, reserveBytes: 0, clockOffset: undefined }, (message) => {
    told.push(message);
  });
  onTestFinished(() => {
    store.close();
    folder[Symbol.dispose]();
  });

  /** Hands over calls that were waiting together, and gives their answers in the order in which they came. */
  const handle = (...calls: [OperationName, ...unknown[]][]) => {
    const before = told.length;
    store.handle(calls.map(([name, ...args], id) => ({ id, name, args })));
    return told.slice(before).flatMap((message) => (message.kind === "answers" ? message.answers : []));
  };
  const ask = (name: OperationName, ...args: unknown[]): unknown => {
    const [answer] = handle([name, ...args]);
    return answer !== undefined && "value" in answer ? answer.value : answer;
  };
  /** What it said since it was asked that last. */
  const news = () => told.splice(0);
  return { handle, ask, news };
}

type Store = ReturnType<typeof setup>;

/** A session that holds the only due job. */
function startJob({ ask }: Store, ttlMs: number): { session: Session; jobId: JobId } {
  ask("append", packEvents([newEvent("a")]));
  const session = ask("openSession", "worker", ttlMs) as Session;
  const { jobIds } = ask("claim", session, 1) as { jobIds: JobId[] };
  return { session, jobId: jobIds[0] ?? "" };
}

/** The next write fails as on a broken disk. The file is opened again a second later. */
function breakDisk({ ask }: Store): void {
  const broken = vi.spyOn(StatementSync.prototype, "run").mockImplementation(() => {
    throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 10 });
  });
  expect(ask("openSession", "other", 1000)).toMatchObject({ failure: { reason: "unavailable" } });
  broken.mockRestore();
  expect(ask("get", [])).toMatchObject({ failure: { reason: "unavailable" } });
}

/** The thread does nothing for that long. */
function standStill(ms: number): void {
  const [now, date] = [performance.now() + ms, Date.now() + ms];
  vi.setSystemTime(date);
  vi.spyOn(performance, "now").mockReturnValue(now);
}

test("a time in which the thread stood still does not count against the workers", () => {
  const store = setup();
  const { session, jobId } = startJob(store, 30_000);
  standStill(40_000);
  store.handle(["endSessions", 3]);
  expect(store.ask("get", [jobId])).toMatchObject([{ state: "RUNNING" }]);
  expect(store.ask("heartbeat", session)).toMatchObject({ lost: false });
});

test("a time in which the thread was awake does count", () => {
  const store = setup();
  const { session, jobId } = startJob(store, 30_000);
  vi.advanceTimersByTime(40_000);
  expect(store.ask("heartbeat", session)).toMatchObject({ lost: true });
  store.handle(["endSessions", 3]);
  expect(store.ask("get", [jobId])).toMatchObject([{ state: "QUEUED", lastError: "worker lost" }]);
});

test("a time in which the store was closed for a failed disk does not count against the workers", () => {
  const store = setup();
  const { session } = startJob(store, 900);
  breakDisk(store);
  vi.advanceTimersByTime(1000);
  expect(store.ask("heartbeat", session)).toMatchObject({ lost: false });
  vi.advanceTimersByTime(899);
  expect(store.ask("heartbeat", session)).toMatchObject({ lost: false });
  vi.advanceTimersByTime(900);
  expect(store.ask("heartbeat", session)).toMatchObject({ lost: true });
});

test("a heartbeat is answered before the writes that came with it, which wait for the disk", () => {
  const store = setup();
  const { session } = startJob(store, 30_000);
  const answers = store.handle(["append", packEvents([newEvent("b")])], ["get", []], ["heartbeat", session]);
  expect(answers.map(({ id }) => id)).toEqual([2, 0, 1]);
});

test("when a failed disk is back, all jobs are hinted, and each that becomes due after", () => {
  const store = setup();
  const { session, jobId } = startJob(store, 60_000);
  const retry = { jobId, attempt: 1, as: "retry", delayMs: 500, error: "later" } as const;
  store.ask("settle", session, packVerdicts([retry]));
  store.ask("append", packEvents([newEvent("b", { runAt: Date.now() + 5000 })]));
  breakDisk(store);
  vi.advanceTimersByTime(999);
  store.news();
  vi.advanceTimersByTime(1);
  expect(store.news()).toMatchObject([
    { kind: "health", health: { writable: true } },
    { kind: "changed", work: true, all: true },
  ]);
  vi.advanceTimersByTime(3900);
  expect(store.news()).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(store.news()).toMatchObject([{ kind: "changed", work: true }]);
});
