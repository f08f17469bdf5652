import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type EventRequest,
  type EventResponse,
  EventResponseSchema,
  type IngestBatchRequest,
  IngestBatchRequestSchema,
  type IngestBatchResponse,
  IngestBatchResponseSchema,
  Outcome,
} from "@event-ingestion/api";
import type { Appended, Caller, Caps, NewEvent } from "@event-ingestion/store";
import type { ElementLimit } from "../http/inspect/inspect.ts";
import type { Ingest, WhenFull } from "./ingest.ts";
import type { Rejection, ServerEvent } from "../observe.ts";
import { badRequest, checkEvents, noEventId, type Violation } from "./validate.ts";

/** What `createEventAnswers` takes. */
export interface EventAnswersContext {
  ingest: Ingest;
  caps: Pick<Caps, "maxPayloadBytes">;
  /** Attempts that a job gets, fixed when it is accepted. */
  maxAttempts: number;
  observe: (event: ServerEvent) => void;
}

/** Stores events and says what became of them. */
export interface EventAnswers {
  /** @throws ConnectError for an event that breaks a rule, and when the store does not answer. */
  ingestEvent(request: EventRequest, caller: Caller): Promise<EventResponse>;
  /** In a batch an event that breaks a rule has an answer like any other. */
  ingestBatch(request: IngestBatchRequest, caller: Caller, whenFull?: WhenFull): Promise<IngestBatchResponse>;
}

/** Until callers have credentials there is one tenant. */
export const tenant = "";

/** Events in one batch. */
export const maxBatchEvents = 1000;

/** Answers events of clients. */
export function createEventAnswers(context: EventAnswersContext): EventAnswers {
  const { ingest, observe } = context;
  const rules = { tenant, maxAttempts: context.maxAttempts, caps: context.caps };

  const append: Ingest["append"] = (events, caller, whenFull) =>
    ingest.append(events, caller, whenFull).catch((error: unknown) => {
      observe({ kind: "rejected", reason: rejection(error), count: events.length });
      throw error;
    });

  return {
    async ingestEvent(request, caller) {
      const [event = noEventId] = checkEvents([request], rules);
      if ("field" in event && event !== noEventId) {
        observe({ kind: "rejected", reason: "invalid", count: 1 });
        throw badRequest(event);
      }
      const answer = "field" in event ? invalid(event) : answerTo((await append([event], caller))[0]);
      observe({ kind: "ingested", outcome: answer.outcome, count: 1 });
      return answer;
    },

    async ingestBatch({ events }, caller, whenFull) {
      if (events.length > maxBatchEvents) throw tooManyEvents(events.length, observe);
      const checked = checkEvents(events, rules);
      const valid = checked.filter((one): one is NewEvent => !("field" in one));
      const appended = await append(valid, caller, whenFull);
      let next = 0;
      const results = checked.map((one) => ("field" in one ? invalid(one) : answerTo(appended[next++])));
      tell(results, observe);
      return create(IngestBatchResponseSchema, { results });
    },
  };
}

/** Larger batches are refused before they are decoded. */
export function eventLimits(observe: (event: ServerEvent) => void): ElementLimit[] {
  const { events } = IngestBatchRequestSchema.field;
  return [{ field: events, max: maxBatchEvents, refuse: (got) => tooManyEvents(got, observe) }];
}

function tooManyEvents(count: number, observe: (event: ServerEvent) => void): ConnectError {
  observe({ kind: "rejected", reason: "invalid", count });
  return badRequest({ field: "events", message: `events must be at most ${maxBatchEvents}, got ${count}` });
}

const stored = { accepted: true, message: "Event received successfully" };
const accepted = create(EventResponseSchema, { ...stored, outcome: Outcome.ACCEPTED });
const duplicate = create(EventResponseSchema, { ...stored, outcome: Outcome.DUPLICATE });
const conflict = create(EventResponseSchema, {
  message: "event_id already used with a different payload",
  outcome: Outcome.CONFLICT,
});

/** A copy of a message costs a fifth of what it costs to make one from its fields. */
function answerTo(appended: Appended | undefined): EventResponse {
  switch (appended?.outcome) {
    case "ACCEPTED":
      return { ...accepted, jobId: appended.jobId };
    case "DUPLICATE":
      return { ...duplicate, jobId: appended.jobId };
    case "CONFLICT":
      return conflict;
    case undefined:
      throw new Error("the store gave no result for an event");
  }
}

function invalid({ message }: Violation): EventResponse {
  return create(EventResponseSchema, { message, outcome: Outcome.INVALID });
}

/** Once for all events with the same outcome. */
function tell(results: readonly EventResponse[], observe: (event: ServerEvent) => void): void {
  const counts = new Map<Outcome, number>();
  for (const { outcome } of results) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  for (const [outcome, count] of counts) observe({ kind: "ingested", outcome, count });
}

function rejection(error: unknown): Rejection {
  // Connect aborts with an error of its own or with the platform's AbortError.
  const { code } = ConnectError.from(error);
  return code === Code.Canceled || code === Code.DeadlineExceeded ? "aborted" : "unavailable";
}
