import { expect, test } from "vitest";
import { openSqliteStore } from "./sqlite-store.ts";
import { newEvent, newEvents } from "./testing/new-event.ts";

const dayMs = 86_400_000;
const policy = {
  workerLostLimit: 3,
  keepMs: { SUCCEEDED: 7 * dayMs, DEAD: 30 * dayMs, CANCELLED: 7 * dayMs },
};

async function setup() {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
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
