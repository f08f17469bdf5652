import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { newEvent } from "../testing/new-event.ts";

test("an event runs at no fraction of a millisecond before its instant", async () => {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
  const runAt = (await store.counts()).asOf + 3_600_000.25;
  const [accepted] = await store.append([newEvent("a", { runAt })]);
  expect(await store.get([accepted?.jobId ?? ""])).toMatchObject([{ nextAttemptAt: Math.ceil(runAt) }]);
  await store.close();
});
