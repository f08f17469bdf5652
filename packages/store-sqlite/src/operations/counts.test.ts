import type { Counts, JobId, Session } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { query } from "../database/driver.ts";
import { packEvents } from "./event-columns.ts";
import type { OperationName } from "./operations.ts";
import { packVerdicts } from "./verdict-columns.ts";
import { newEvent, newEvents } from "../testing/new-event.ts";
import { createTestEngine } from "../testing/test-engine.ts";

function setup() {
  let now = 1_000_000;
  const { db, engine } = createTestEngine({ now: () => now });
  const ask = (name: OperationName, ...args: unknown[]): unknown => {
    const written = engine.write([{ id: 0, name, args }]);
    const [outcome] = written.kind === "committed" ? written.outcomes : [];
    return outcome !== undefined && "value" in outcome ? outcome.value : outcome;
  };
  const counts = () => engine.read({ id: 0, name: "counts", args: [] });
  const countAll = () => {
    const rows = query<{ scheduled: number; ready: number | null }>(
      db,
      `SELECT count(*) FILTER (WHERE run_at > ?1) AS scheduled,
        min(CASE WHEN run_at IS NULL THEN at WHEN run_at <= ?1 THEN run_at END) AS ready FROM job WHERE state = 1`,
    );
    const { scheduled = 0, ready = null } = rows.get(now) ?? {};
    return { scheduled, oldestReadyAt: ready ?? undefined };
  };
  /** The same, as the store keeps it. */
  const kept = () => {
    const outcome = counts();
    const { scheduled, oldestReadyAt } = ("value" in outcome ? outcome.value : {}) as Partial<Counts>;
    return { scheduled, oldestReadyAt };
  };
  const pass = (ms: number) => void (now += ms);
  return { db, engine, ask, counts, kept, countAll, pass, now: () => now };
}

test("scheduled jobs are counted right on every way in and out", () => {
  const { ask, kept, countAll, pass, now, engine } = setup();
  const append = (name: string, runAt?: number) =>
    ask("append", packEvents(newEvents(name, 2, runAt === undefined ? {} : { runAt })));
  const session = ask("openSession", "worker", 1e9) as Session;
  const claim = (max: number) => ask("claim", session, max) as { jobIds: JobId[]; attempts: number[] };
  const settleOne = (ending: object) => {
    const { jobIds, attempts } = claim(1);
    ask(
      "settle",
      session,
      packVerdicts([{ jobId: jobIds[0] ?? "", attempt: attempts[0] ?? 0, ...ending } as never]),
    );
    return jobIds[0] ?? "";
  };
  expect(kept()).toEqual(countAll());
  const steps: (() => unknown)[] = [
    () => append("fresh"),
    () => append("soon", now() + 100),
    () => append("late", now() + 10_000),
    () => settleOne({ as: "retry", delayMs: 500, error: "again" }),
    () => settleOne({ as: "release" }),
    () => pass(99),
    () => pass(1),
    () => pass(400),
    () => claim(2),
    () => ask("closeSession", session),
    () =>
      ask(
        "cancel",
        (engine.read({ id: 0, name: "find", args: ["", ["late-0", "soon-0"]] }) as { value: JobId[] }).value,
      ),
    () =>
      ask(
        "redrive",
        (engine.read({ id: 0, name: "find", args: ["", ["late-0"]] }) as { value: JobId[] }).value,
      ),
    () => append("more", now() + 100),
    () => pass(20_000),
    () => pass(-15_000),
  ];
  for (const step of steps) {
    step();
    expect(kept()).toEqual(countAll());
  }
});

test("what a transaction did that failed is counted by nobody", () => {
  const { db, ask, counts, kept, countAll, now } = setup();
  const append = (name: string) => ask("append", packEvents([newEvent(name, { runAt: now() + 100 })]));
  append("a");
  counts();
  db.exec("CREATE TRIGGER broken BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'broken'); END");
  expect(append("b")).toBeUndefined();
  db.exec("DROP TRIGGER broken");
  expect(kept()).toEqual(countAll());
});

test("a fresh job is seen, however many were claimed that had waited", () => {
  const { ask, counts, kept, countAll, pass, now } = setup();
  const session = ask("openSession", "worker", 1e9) as Session;
  ask("append", packEvents([newEvent("soon", { runAt: now() + 100 })]));
  counts();
  pass(100);
  ask("claim", session, 1);
  ask("append", packEvents([newEvent("fresh")]));
  expect(counts()).toHaveProperty("value.oldestReadyAt", now());
  expect(kept()).toEqual(countAll());
});

test("a second look at many scheduled jobs looks at none of them again", () => {
  const { db, ask, counts, now } = setup();
  ask("append", packEvents(newEvents("late", 10, { runAt: now() + 10_000 })));
  ask("append", packEvents([newEvent("fresh")]));
  const first = counts();
  expect(first).toMatchObject({ value: { scheduled: 10, oldestReadyAt: now() } });
  // Behind its back, so that whoever looks again sees something else.
  db.exec("DELETE FROM job WHERE seq <= 5; UPDATE job SET run_at = NULL WHERE seq BETWEEN 6 AND 10");
  expect(counts()).toEqual(first);
  db.exec("UPDATE job SET at = 5 WHERE seq = 11");
  expect(counts()).toMatchObject({ value: { scheduled: 10, oldestReadyAt: 5 } });
});
