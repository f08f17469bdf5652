import { expect, test, vi } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { query } from "../database/driver.ts";
import { newEvent, newEvents } from "../testing/new-event.ts";
import { createTestEngine } from "../testing/test-engine.ts";

test("a page that finds nothing among 10,000 jobs ends early, with a cursor that leads on", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const [rare] = await store.append([newEvent("rare", { type: "rare" })]);
  for (let n = 0; n < 10; n++) {
    await store.append(newEvents(`batch-${n}`, 1000));
  }
  const first = await store.list({ type: "rare", limit: 10 });
  expect(first.jobs).toEqual([]);
  expect(first.cursor).toBeDefined();
  const second = await store.list({ type: "rare", limit: 10, cursor: first.cursor ?? "" });
  expect(second).toMatchObject({ jobs: [{ jobId: rare?.jobId }] });
  expect(second.cursor).toBeUndefined();
  await store.close();
});

test("states of few jobs are found at once, however many jobs came after", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const session = await store.openSession("worker", 60_000);
  const jobs = await store.append(["running", "dead", "cancelled"].map((key) => newEvent(key)));
  await store.claim(session, 2);
  await store.settle(session, [{ jobId: jobs[1]?.jobId ?? "", attempt: 1, as: "dead", error: "no" }]);
  await store.cancel([jobs[2]?.jobId ?? ""]);
  for (let n = 0; n < 11; n++) {
    await store.append(newEvents(`batch-${n}`, 1000));
  }
  for (const [index, state] of (["RUNNING", "DEAD", "CANCELLED"] as const).entries()) {
    const page = await store.list({ state, limit: 10 });
    expect(page.jobs).toMatchObject([{ jobId: jobs[index]?.jobId, state }]);
    expect(page.cursor).toBeUndefined();
  }
  await store.close();
});

test.for(["DEAD", "CANCELLED"])("a page of %s jobs sorts nothing, however many there are", (state) => {
  const { db, engine } = createTestEngine();
  const prepare = vi.spyOn(db, "prepare");
  engine.read({ id: 1, name: "list", args: [{ state, limit: 10 }] });
  const texts = prepare.mock.calls.map(([sql]) => sql);
  expect(texts).not.toEqual([]);
  const steps = texts.flatMap((sql) => query<{ detail: string }>(db, `EXPLAIN QUERY PLAN ${sql}`).all());
  expect(steps.map(({ detail }) => detail).filter((detail) => /ORDER BY/.test(detail))).toEqual([]);
  db.close();
});
