import { type Session, StoreError } from "@event-ingestion/store";
import { createDispatcher } from "./loop/dispatcher.ts";
import { holdLease } from "./loop/lease.ts";
import { resolveOptions, type WorkerOptions, type WorkerSettings } from "./options.ts";
import { callUntilAnswered, pause } from "./loop/store-call.ts";

/** How often an idle worker asks without a hint: hints are lossy, and a retry that becomes due need not cause one. */
const pollMs = 1000;

/**
 * Runs handlers over a source of jobs until `signal` aborts. Then it claims nothing more, hands back what it has not
 * begun, lets running handlers finish within `drainMs`, interrupts and hands back the rest, and resolves.
 *
 * Every job is processed at least once: a handler can run again for an event whose first run succeeded but could not
 * be stored. A store that fails is asked again until it answers; a lost session is replaced by a new one.
 *
 * @throws HandlersError or RangeError for bad options; StoreError corrupt, incompatible or invalid if no session can be
 * opened.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const settings = resolveOptions(options);
  while (!settings.signal.aborted) {
    const opened = await open(settings);
    if (opened !== undefined) await serve(settings, opened);
  }
  settings.observe({ kind: "stopped" });
}

interface Opened {
  session: Session;
  /** When the call was sent, on the monotonic clock. */
  openedAt: number;
}

function open({ source, name, leaseMs, observe, signal }: WorkerSettings): Promise<Opened | undefined> {
  return callUntilAnswered({
    call: "openSession",
    run: async () => {
      const openedAt = performance.now();
      return { openedAt, session: await source.openSession(name, leaseMs) };
    },
    observe,
    signal,
    isFinal: (error) => error instanceof StoreError && finalReasons.has(error.reason),
  });
}

const finalReasons: ReadonlySet<StoreError["reason"]> = new Set(["corrupt", "incompatible", "invalid"]);

/** One session, until it is lost, or everything is handed back and it is closed. */
async function serve(settings: WorkerSettings, { session, openedAt }: Opened): Promise<void> {
  const { source, name, drainMs, observe, signal } = settings;
  const over = new AbortController();
  const renewing = new AbortController();
  const dispatcher = createDispatcher({ settings, session, over: over.signal });

  // Without heartbeats the lease bounds what is left to do, whatever the store does.
  const stopRenewing = () => renewing.abort(new Error("the session is to end"));
  const handBack = async (): Promise<undefined> => {
    await aborted(signal, over.signal);
    const deadline = setTimeout(() => {
      stopRenewing();
      dispatcher.interrupt("shutdown");
    }, drainMs);
    over.signal.addEventListener("abort", () => clearTimeout(deadline));
    await dispatcher.drain();
    stopRenewing();
    try {
      await source.closeSession(session);
    } catch (error) {
      observe({ kind: "store-error", call: "closeSession", error });
    }
  };

  observe({ kind: "started", worker: name, running: dispatcher.attempts });
  const onCancelRequested = dispatcher.cancel;
  const lease = { source, session, openedAt, onCancelRequested, observe };
  const lost = holdLease({ ...lease, renewing: renewing.signal, over: over.signal });
  void followHints(settings, dispatcher.wake, over.signal);
  const poll = setInterval(dispatcher.wake, pollMs);
  dispatcher.wake();

  const reason = await Promise.race([lost, handBack()]);
  clearInterval(poll);
  over.abort(new Error("the session is over"));
  stopRenewing();
  if (reason === undefined) return;
  // The session is not closed: closing would release its jobs free of charge, and a handler that blocks the process
  // until the lease is over has to be counted as a lost worker.
  observe({ kind: "session-lost", reason });
  dispatcher.interrupt("lost");
}

async function followHints(
  { source, observe }: WorkerSettings,
  wake: () => void,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    try {
      for await (const hint of source.hints(over)) if (hint === "work") wake();
    } catch (error) {
      if (!over.aborted) observe({ kind: "store-error", call: "hints", error, retryInMs: pollMs });
    }
    await pause(pollMs, over);
  }
}

/** Resolves when `signal` aborts; stops listening when `unless` does. */
function aborted(signal: AbortSignal, unless: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true, signal: unless });
  return promise;
}
