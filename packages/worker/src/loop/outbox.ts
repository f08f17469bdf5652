import { type Session, StoreError } from "@event-ingestion/store";
import type { WorkerEvent } from "../observe.ts";
import type { WorkerSettings } from "../options.ts";
import { attemptId, type Settlement } from "./runner.ts";
import { callUntilAnswered } from "./store-call.ts";
import { plainRetry } from "../verdict.ts";

/** Verdicts in one call, so that a call stays short. */
const maxVerdicts = 1000;

/** The verdicts that the store has not answered yet. */
export interface Outbox {
  /** Waiting and under way. */
  readonly size: number;
  push(settlement: Settlement): void;
  /** Sends what waits, unless a call is under way: then it goes with the next flush. */
  flush(): void;
}

/** What an outbox needs to know. */
export interface OutboxOptions {
  settings: Pick<WorkerSettings, "source" | "observe" | "retryBaseMs" | "retryMaxMs">;
  session: Session;
  /** Aborts when the session is no longer ours. */
  over: AbortSignal;
}

/**
 * Sends verdicts in the order they came. A call that fails is repeated until `over` aborts; then all verdicts are dropped.
 *
 * The store would refuse an invalid verdict for ever, and all others in the same call. So after such an error verdicts go one by
 * one, and the invalid one is replaced by a plain retry that says what happened. If even that is invalid, it is dropped: the
 * job is free when the session ends.
 */
export function createOutbox({ settings, session, over }: OutboxOptions, onAnswer: () => void): Outbox {
  const { source, observe } = settings;
  const waiting: Settlement[] = [];
  let underWay = 0;

  const send = async (batch: readonly Settlement[]): Promise<void> => {
    if ((await refusal(batch)) !== undefined) for (const settlement of batch) await sendAlone(settlement);
    underWay = 0;
    onAnswer();
  };

  const sendAlone = async (settlement: Settlement): Promise<void> => {
    const { job, verdict } = settlement;
    const error = await refusal([settlement]);
    if (error === undefined) return;
    observe({ kind: "store-error", call: "settle", error });
    const why = `the outcome "${verdict.as}" of this attempt cannot be stored: ${error.message}`;
    const instead = { ...settlement, verdict: plainRetry(job, why, settings) };
    if ((await refusal([instead])) !== undefined) observe({ kind: "verdict-lost", ...attemptId(job) });
  };

  /** Why the store refuses these verdicts as invalid. undefined: it has answered, or the session is over. */
  const refusal = async (batch: readonly Settlement[]): Promise<StoreError | undefined> => {
    const verdicts = batch.map(({ verdict }) => verdict);
    const run = () => source.settle(session, verdicts);
    try {
      const answers = await callUntilAnswered({
        call: "settle",
        run,
        observe,
        signal: over,
        isFinal: isInvalid,
      });
      if (answers !== undefined) tell(batch, answers);
      return undefined;
    } catch (error) {
      if (isInvalid(error)) return error;
      throw error;
    }
  };

  const tell = (batch: readonly Settlement[], answers: readonly ("ok" | "lost")[]) => {
    for (const [index, settlement] of batch.entries()) {
      if (answers[index] === "ok") observe(settled(settlement));
      else observe({ kind: "verdict-lost", ...attemptId(settlement.job) });
    }
  };

  return {
    get size() {
      return waiting.length + underWay;
    },
    push(settlement) {
      waiting.push(settlement);
    },
    flush() {
      if (underWay > 0 || waiting.length === 0) return;
      const batch = waiting.splice(0, maxVerdicts);
      underWay = batch.length;
      void send(batch);
    },
  };
}

function isInvalid(error: unknown): error is StoreError {
  return error instanceof StoreError && error.reason === "invalid";
}

function settled({ job, verdict, durationMs }: Settlement): WorkerEvent {
  const event = { kind: "settled", durationMs, ...attemptId(job) } as const;
  switch (verdict.as) {
    case "succeeded":
    case "cancelled":
      return { ...event, outcome: verdict.as };
    case "release":
      return { ...event, outcome: "released" };
    case "dead":
      return { ...event, outcome: "dead", error: verdict.error };
    case "retry": {
      const outcome = job.attempt >= job.event.maxAttempts ? "dead" : "retry";
      return { ...event, outcome, error: verdict.error };
    }
  }
}
