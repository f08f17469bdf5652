import { expect, test } from "vitest";
import { openDatabase, query } from "../database/driver.ts";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent, newEvents } from "../testing/new-event.ts";
import { createTestEngine } from "../testing/test-engine.ts";
import { tempFolder } from "../testing/temp-folder.ts";

const dayMs = 86_400_000;
const policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 7 * dayMs, DEAD: 30 * dayMs, CANCELLED: 7 * dayMs },
};

async function setup(url = "sqlite::memory:") {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore(url, { clockOffset, reserveBytes: 0 });
  return {
    store,
    pass: (days: number) => Atomics.add(new BigInt64Array(clockOffset), 0, BigInt(Math.round(days * dayMs))),
  };
}

test("a call drops 500 jobs at most, and says when there are more", async () => {
  const { store, pass } = await setup();
  const jobs = [...(await store.append(newEvents("a", 1000))), ...(await store.append(newEvents("b", 100)))];
  await store.cancel(jobs.map(({ jobId }) => jobId));
  pass(8);
  const young = await store.append([newEvent("young")]);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 500, more: true });
  expect(await store.maintain(policy)).toMatchObject({ pruned: 500, more: true });
  expect(await store.maintain(policy)).toMatchObject({ pruned: 100, more: false });
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0, more: false });
  expect((await store.counts()).byState).toMatchObject({ CANCELLED: 0, QUEUED: 1 });
  expect(await store.find("", ["a-0", "b-99", "young"])).toEqual([null, null, young[0]?.jobId]);
  await store.close();
});

test("nothing is left of a dropped job in any table", async () => {
  using folder = tempFolder();
  const { store, pass } = await setup(`sqlite:${folder.file("events.db")}`);
  await store.append(newEvents("job", 8));
  const session = await store.openSession("worker", 100 * dayMs);
  const ways = [
    { as: "succeeded", result: Buffer.from("result") },
    { as: "dead", error: "no" },
    { as: "cancelled" },
    { as: "retry", delayMs: 0, error: "again" },
  ] as const;
  const settleAll = async () => {
    const leased = await store.claim(session, 8);
    const verdicts = leased.map(({ jobId, attempt }, index) => {
      const way = ways[index % 4] ?? { as: "release" };
      return { jobId, attempt, ...way };
    });
    await store.settle(session, verdicts);
    return leased.length;
  };
  // The retried ones end in another way the next time.
  expect([await settleAll(), await settleAll()]).toEqual([8, 2]);
  pass(31);
  const [kept] = await store.append([newEvent("kept")]);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 8, more: false });
  await store.claim(session, 1);
  await store.settle(session, [
    { jobId: kept?.jobId ?? "", attempt: 1, as: "retry", delayMs: 0, error: "again" },
  ]);
  await store.claim(session, 1);
  const result = Buffer.from("result");
  await store.settle(session, [{ jobId: kept?.jobId ?? "", attempt: 2, as: "succeeded", result }]);
  await store.close();

  const db = openDatabase(folder.file("events.db"));
  const rows = ["job", "body", "result", "attempt_error"].map((table) =>
    query<{ seq: number }>(db, `SELECT seq FROM ${table}`).all(),
  );
  db.close();
  expect(rows).toMatchObject([[{ seq: 9 }], [{ seq: 9 }], [{ seq: 9 }], [{ seq: 9 }]]);
});

test("a job that was kept for longer and then redriven goes when its new end is old enough", async () => {
  const { store, pass } = await setup();
  const [accepted] = await store.append([newEvent("a")]);
  const jobId = accepted?.jobId ?? "";
  const settle = async (verdict: { as: "dead"; error: string } | { as: "succeeded" }) => {
    const session = await store.openSession("worker", 60_000);
    const [leased] = await store.claim(session, 1);
    expect(await store.settle(session, [{ jobId, attempt: leased?.attempt ?? 0, ...verdict }])).toEqual([
      "ok",
    ]);
    await store.closeSession(session);
  };
  await settle({ as: "dead", error: "no" });
  pass(8);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  await store.redrive([jobId]);
  await settle({ as: "succeeded" });
  pass(6.9);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 0 });
  pass(0.2);
  expect(await store.maintain(policy)).toMatchObject({ pruned: 1 });
  expect(await store.get([jobId])).toEqual([null]);
  await store.close();
});

const die = ({ jobId, attempt }: { jobId: string; attempt: number }) =>
  ({ jobId, attempt, as: "dead", error: "no" }) as const;

test("DEAD jobs that come due one after the other keep the walk from nothing behind them", async () => {
  const { store, pass } = await setup();
  const minute = 1 / 1440;
  const session = await store.openSession("worker", 100 * dayMs);
  await store.append(newEvents("dead", 600));
  const dead = await store.claim(session, 600);
  for (const leased of dead.slice(0, 20)) {
    await store.settle(session, [die(leased)]);
    pass(minute);
  }
  await store.settle(session, dead.slice(20).map(die));
  await store.append([newEvent("behind")]);
  const [behind] = await store.claim(session, 1);
  await store.settle(session, [{ jobId: behind?.jobId ?? "", attempt: 1, as: "succeeded" }]);

  pass(30 - 20 * minute);
  let passes = 0;
  while ((await store.get([behind?.jobId ?? ""]))[0] !== null && passes++ < 15) {
    await store.maintain(policy);
    pass(minute);
  }
  expect(passes).toBeLessThan(5);
  await store.close();
});

test("the walk rests between two rounds, however many jobs come due one after the other", async () => {
  const { store, pass } = await setup();
  const session = await store.openSession("worker", 100 * dayMs);
  await store.append(newEvents("dead", 700));
  for (const leased of await store.claim(session, 700)) {
    await store.settle(session, [die(leased)]);
    pass(1 / 86_400);
  }
  pass(30 - 700 / 86_400);
  let [pruned, busy] = [0, 0];
  for (let second = 0; second < 700; second++) {
    pass(1 / 86_400);
    const answer = await store.maintain(policy);
    pruned += answer.pruned;
    if (answer.pruned > 0 || answer.more) busy++;
  }
  expect(busy).toBeLessThan(10);
  pass(7 / 100);
  pruned += (await store.maintain(policy)).pruned + (await store.maintain(policy)).pruned;
  expect(pruned).toBe(700);
  await store.close();
});

test("a policy that keeps less holds from the next call on, also after a call that failed", () => {
  const { db, engine } = createTestEngine({ now: () => 8 * dayMs });
  db.exec(`INSERT INTO job(seq, at, salt, state, max_attempts, finished_at, tenant, event_id) VALUES(1, 0, 0, 5, 1, 0, '', 'a');
    INSERT INTO body VALUES(1, 1, 0, 0, 0, '', '', NULL)`);
  const maintain = (days: number) => {
    const keepMs = { ...policy.keepMs, CANCELLED: days * dayMs };
    return engine.write([{ id: 1, name: "prune", args: [keepMs] }]);
  };
  expect(maintain(9)).toMatchObject({ outcomes: [{ value: { pruned: 0 } }] });
  db.exec("CREATE TRIGGER broken BEFORE DELETE ON body BEGIN SELECT RAISE(ABORT, 'broken'); END");
  expect(maintain(7)).not.toMatchObject({ outcomes: [{ value: {} }] });
  db.exec("DROP TRIGGER broken");
  expect(maintain(7)).toMatchObject({ outcomes: [{ value: { pruned: 1 } }] });
  db.close();
});

test("an error of retention keeps no session from its end", () => {
  let now = 8 * dayMs;
  const { db, engine } = createTestEngine({ now: () => now });
  db.exec(`INSERT INTO job(seq, at, salt, state, max_attempts, finished_at, tenant, event_id) VALUES(1, 0, 0, 5, 1, 0, '', 'a');
    CREATE TRIGGER broken BEFORE DELETE ON job BEGIN SELECT RAISE(ABORT, 'broken'); END`);
  engine.write([{ id: 0, name: "openSession", args: ["lost", 1000] }]);
  now += 1000;
  const written = engine.write([
    { id: 1, name: "prune", args: [policy.keepMs] },
    { id: 2, name: "endSessions", args: [3] },
  ]);
  expect(written).toMatchObject({
    outcomes: [
      { id: 1, error: {} },
      { id: 2, value: { more: false } },
    ],
  });
  expect(engine.read({ id: 3, name: "counts", args: [] })).toMatchObject({ value: { workers: [] } });
  db.close();
});
