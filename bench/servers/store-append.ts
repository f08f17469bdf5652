// The store by itself: appends batches without any RPC around it.
import { randomUUIDv7 } from "node:crypto";
import type { NewEvent } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { callInLoop, type LoopResult } from "../load/loop.ts";
import { payload } from "../payload.ts";
import { answers } from "../process/probe.ts";

/** What to append: `inFlight` batches at once. */
export interface Appends {
  url: string;
  size: number;
  inFlight: number;
  warmUpSeconds: number;
  seconds: number;
}

const payloadBytes = Buffer.from(payload);

answers("append", async ({ url, size, inFlight, warmUpSeconds, seconds }: Appends): Promise<LoopResult> => {
  const store = await openSqliteStore(url);
  const batch = () => Array.from({ length: size }, newEvent);
  const append = async (events: NewEvent[]) => {
    const appended = await store.append(events);
    if (appended.some(({ outcome }) => outcome !== "ACCEPTED")) throw new Error("a new event was not new");
    return appended.length;
  };
  await callInLoop({ inFlight, until: { seconds: warmUpSeconds } }, batch, append);
  return callInLoop({ inFlight, until: { seconds } }, batch, append);
});

function newEvent(): NewEvent {
  return {
    tenant: "",
    eventId: randomUUIDv7(),
    type: "",
    payload: payloadBytes,
    timestamp: 1_764_000_000_000n,
    maxAttempts: 12,
  };
}
