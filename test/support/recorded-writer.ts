// A program over the store for the recorded disk. It works through its script and writes to the ledger what it was
// promised, one system call a promise: node recorded-writer.ts STORE_URL LEDGER SCRIPT, the script as JSON.
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { JobStore, NewEvent } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";

/**
 * One step: calls of `append` that are under way together, each with the numbers of its events; the same, but promised
 * without waiting for the answer, as a wrong program would; events looked up, and promised if they are there; all due
 * jobs claimed and settled; closed and opened; idle.
 */
export type Step =
  | { append: number[][] }
  | { promiseEarly: number[] }
  | { lookUp: number[] }
  | "settle"
  | "reopen"
  | "idle";

/** The event of that number, the same in every process. Some fit on a page with others, some need several pages. */
export function numberedEvent(number: number): NewEvent {
  const payload = Buffer.from(`${number} `.repeat((number * 37) % 1200));
  return { tenant: "", eventId: `event-${number}`, type: "t", payload, timestamp: 0n, maxAttempts: 5 };
}

if (import.meta.main) {
  const [url = "", ledgerPath = "", script = ""] = process.argv.slice(2);
  const ledger = openSync(ledgerPath, "a");
  let store = await openSqliteStore(url);
  for (const step of JSON.parse(script) as Step[]) {
    if (step === "reopen") {
      await store.close();
      store = await openSqliteStore(url);
    } else await run(step, store, (text) => writeSync(ledger, text));
  }
  await store.close();
}

async function run(step: Exclude<Step, "reopen">, store: JobStore, promise: (text: string) => void) {
  if (step === "idle") {
    // Longer than the second after which the store moves its log into the database.
    await sleep(1500);
  } else if (step === "settle") {
    const session = await store.openSession("recorded", 60_000);
    const leased = await store.claim(session, 1000);
    await store.settle(
      session,
      leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" })),
    );
    for (const { jobId } of leased) promise(`settled ${jobId}`);
  } else if ("lookUp" in step) {
    for (const number of step.lookUp) {
      const [found] = await store.lookup([numberedEvent(number)]);
      if (found) promise(`stored ${number} ${found.jobId}`);
    }
  } else if ("promiseEarly" in step) {
    const appending = store.append(step.promiseEarly.map(numberedEvent));
    for (const number of step.promiseEarly) promise(`stored ${number}`);
    await appending;
  } else {
    await Promise.all(
      step.append.map(async (numbers) => {
        const appended = await store.append(numbers.map(numberedEvent));
        for (const [index, number] of numbers.entries())
          promise(`stored ${number} ${appended[index]?.jobId}`);
      }),
    );
  }
}
