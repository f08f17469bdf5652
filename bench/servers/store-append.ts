// The store by itself: appends batches without any RPC around it.
import type { NewEvent } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { callInLoop, type LoopResult } from "../load/loop.ts";
import { answers } from "../process/probe.ts";
import { newEvents } from "./new-event.ts";

/** What to append: `inFlight` batches at once. */
export interface Appends {
  url: string;
  size: number;
  inFlight: number;
  warmUpSeconds: number;
  seconds: number;
}

answers("append", async ({ url, size, inFlight, warmUpSeconds, seconds }: Appends): Promise<LoopResult> => {
  const store = await openSqliteStore(url);
  const batch = () => newEvents(size);
  const append = async (events: NewEvent[]) => {
    const appended = await store.append(events);
    if (appended.some(({ outcome }) => outcome !== "ACCEPTED")) throw new Error("a new event was not new");
    return appended.length;
  };
  await callInLoop({ inFlight, until: { seconds: warmUpSeconds } }, batch, append);
  return callInLoop({ inFlight, until: { seconds } }, batch, append);
});
