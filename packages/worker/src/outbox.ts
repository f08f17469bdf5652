import type { JobSource, Session } from "@event-ingestion/store";
import type { WorkerEvent } from "./observe.ts";
import type { WorkerSettings } from "./options.ts";
import { attemptId, type Settlement } from "./runner.ts";
import { callUntilAnswered } from "./store-call.ts";

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

/** Sends verdicts in the order they came. A call that fails is repeated until `over` aborts; then all is dropped. */
export function createOutbox(
  {
    source,
    session,
    observe,
    over,
  }: { source: JobSource; session: Session; observe: WorkerSettings["observe"]; over: AbortSignal },
  onAnswer: () => void,
): Outbox {
  const waiting: Settlement[] = [];
  let underWay = 0;

  const send = async (batch: readonly Settlement[]): Promise<void> => {
    const verdicts = batch.map(({ verdict }) => verdict);
    const answers = await callUntilAnswered({
      call: "settle",
      run: () => source.settle(session, verdicts),
      observe,
      signal: over,
    });
    underWay = 0;
    if (answers === undefined) return;
    for (const [index, settlement] of batch.entries()) {
      if (answers[index] === "ok") observe(settled(settlement));
      else observe({ kind: "verdict-lost", ...attemptId(settlement.job) });
    }
    onAnswer();
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
