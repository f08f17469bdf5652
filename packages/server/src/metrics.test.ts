import { StoreError } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, onTestFinished, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("while the store cannot count, no gauge of what is in it has a value", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  onTestFinished(() => store.close());
  await store.openSession("w", 60_000);
  const event = { tenant: "", type: "", payload: new Uint8Array(), timestamp: 0n, maxAttempts: 3 };
  await store.append([
    { ...event, eventId: "due" },
    { ...event, eventId: "later", runAt: Date.now() + 1e6 },
  ]);
  let isBroken = false;
  const counts = () =>
    isBroken ? Promise.reject(new StoreError("notApplied", "unavailable", "broken")) : store.counts();
  const metrics = createMetrics(
    new Proxy(store, { get: (of, name) => (name === "counts" ? counts : Reflect.get(of, name)) }),
  );
  const gauges = async () =>
    [
      ...(await metrics.render()).matchAll(/^event_(?:jobs|jobs_scheduled|oldest\w+|workers)(?:{.*})? .*$/gm),
    ].map(String);
  const before = await gauges();
  expect(before).toContain('event_jobs{state="QUEUED"} 2');
  expect(before).toContain("event_jobs_scheduled 1");
  expect(before).toContain("event_workers 1");
  expect(before).toContainEqual(expect.stringContaining("event_oldest_ready_age_seconds "));
  isBroken = true;
  expect(await gauges()).toEqual([]);
  isBroken = false;
  expect(await gauges()).toHaveLength(before.length);
});
