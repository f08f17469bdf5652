import type { JobStore } from "@event-ingestion/store";

/** Whether new events would be accepted now. The reason says why not, or what is wrong although they would. */
export interface Readiness {
  ready: boolean;
  reason?: string;
}

/** How often the store is asked; it answers from memory. */
const pollMs = 100;

/** Watches the store's health until the signal aborts. `changed` gets the first state, too. */
export function watchReadiness(
  store: JobStore,
  { signal, changed }: { signal: AbortSignal; changed: (readiness: Readiness) => void },
): { current: () => Readiness; drain: () => void } {
  let draining = false;
  let told: Readiness | undefined;
  const current = (): Readiness => {
    if (draining) return { ready: false, reason: "draining" };
    const { writable, reason } = store.health;
    return reason === undefined ? { ready: writable } : { ready: writable, reason };
  };
  const tell = () => {
    const now = current();
    if (now.ready === told?.ready && now.reason === told.reason) return;
    told = now;
    changed(now);
  };
  const timer = setInterval(tell, pollMs).unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  tell();
  return {
    current,
    drain() {
      draining = true;
      tell();
    },
  };
}
