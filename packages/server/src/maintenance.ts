import { setTimeout as sleep } from "node:timers/promises";
import type { JobStore, Policy } from "@event-ingestion/store";
import type { ServerEvent } from "./observe.ts";

/** Pause between two passes while there is nothing more to do. Ended sessions are noticed within it. */
const idleMs = 1000;
/** Pause between two passes while there is more: leaves the store to others in between. */
const busyMs = 20;

/** Ends expired sessions and applies retention, one bounded pass after the other, until the signal aborts. */
export async function maintain(
  store: JobStore,
  policy: Policy,
  { signal, observe }: { signal: AbortSignal; observe: (event: ServerEvent) => void },
): Promise<void> {
  while (!signal.aborted) {
    const more = await pass(store, policy, observe);
    await sleep(more ? busyMs : idleMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function pass(
  store: JobStore,
  policy: Policy,
  observe: (event: ServerEvent) => void,
): Promise<boolean> {
  try {
    const { more, requeued, died, pruned } = await store.maintain(policy);
    if (requeued + died + pruned > 0) observe({ kind: "maintained", requeued, died, pruned });
    return more;
  } catch (error) {
    observe({ kind: "maintenance-failed", error });
    return false;
  }
}
