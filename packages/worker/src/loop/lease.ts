import type { JobId, JobSource, Session } from "@event-ingestion/store";
import type { Observe } from "../observe.ts";
import { callUntilAnswered, pause } from "./store-call.ts";

/** How a session is kept. */
export interface LeaseOptions {
  source: JobSource;
  session: Session;
  /** When the call that opened the session was sent, on the monotonic clock. */
  openedAt: number;
  /** Told by every heartbeat, while they are not finished. */
  onCancelRequested: (jobIds: readonly JobId[]) => void;
  observe: Observe;
  /** Ends the heartbeats; the lease then runs out, unless `over` aborts before. */
  renewing: AbortSignal;
  /** The session is closed: nothing is to be waited for. */
  over: AbortSignal;
}

/**
 * Renews a session three times a lease. Resolves with the reason when it is lost: the store says so, or no heartbeat
 * succeeded within the lease. The lease is counted from when a heartbeat was sent, so it ends here before it ends in
 * the store, however long an answer takes.
 */
export function holdLease(options: LeaseOptions): Promise<string> {
  const { source, session, observe, renewing, over } = options;
  const { promise, resolve } = Promise.withResolvers<string>();
  let timer: NodeJS.Timeout | undefined;

  const extend = (from: number) => {
    clearTimeout(timer);
    const leftMs = Math.max(0, from + session.ttlMs - performance.now());
    timer = setTimeout(resolve, leftMs, `no heartbeat succeeded within ${session.ttlMs} ms`);
  };
  const beat = async () => {
    const sentAt = performance.now();
    return { sentAt, ...(await source.heartbeat(session)) };
  };
  const renew = async (): Promise<void> => {
    for (;;) {
      await pause(session.ttlMs / 3, renewing);
      const answer = await callUntilAnswered({ call: "heartbeat", run: beat, observe, signal: renewing });
      if (answer === undefined || over.aborted) return;
      if (answer.lost) return resolve("the store ended it");
      extend(answer.sentAt);
      options.onCancelRequested(answer.cancelRequested);
    }
  };

  extend(options.openedAt);
  over.addEventListener("abort", () => clearTimeout(timer), { once: true });
  void renew();
  return promise;
}
