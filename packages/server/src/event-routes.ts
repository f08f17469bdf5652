import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  type EventRequest,
  type EventResponse,
  EventResponseSchema,
  EventService,
  type IngestBatchRequest,
  IngestBatchRequestSchema,
  type IngestBatchResponse,
  IngestBatchResponseSchema,
  Outcome,
} from "@event-ingestion/api";
import type { Appended, Batcher, Caps, Job, NewEvent } from "@event-ingestion/store";
import type { ElementLimit } from "./http/element-limits.ts";
import { ingestStream } from "./ingest-stream.ts";
import type { Ingest } from "./ingest.ts";
import { jobStatus } from "./job-status.ts";
import type { Rejection, ServerEvent } from "./observe.ts";
import { storeStatus } from "./store-status.ts";
import { badRequest, checkEvent, type Violation } from "./validate.ts";

/** Events in one batch. */
const maxBatchEvents = 1000;

/** How long an IngestStream may be silent, in ms. */
const streamIdleMs = 60_000;

/** What the EventService needs. */
export interface EventServiceContext {
  ingest: Ingest;
  /** Looks jobs up; requests that come while a lookup is under way share the next. */
  jobs: Batcher<string, Job | null>;
  caps: Pick<Caps, "maxPayloadBytes">;
  /** Attempts that a job gets, fixed when it is accepted. */
  maxAttempts: number;
  /** Aborted when open streams may read no more. */
  draining: AbortSignal;
  observe: (event: ServerEvent) => void;
}

/** Until callers have credentials there is one tenant. */
const tenant = "";

/** event.EventService. */
export function eventRoutes(context: EventServiceContext): (router: ConnectRouter) => void {
  const { ingest, jobs, draining, observe } = context;
  const rules = { tenant, maxAttempts: context.maxAttempts, caps: context.caps };

  const append = async (events: readonly NewEvent[], signal: AbortSignal): Promise<EventResponse[]> => {
    try {
      const appended = await ingest.append(events, signal);
      return appended.map((one) => answer(observe, response(one)));
    } catch (error) {
      observe({ kind: "rejected", reason: rejection(error), count: events.length });
      throw error;
    }
  };

  const ingestEvent = async (request: EventRequest, signal: AbortSignal): Promise<EventResponse> => {
    if (request.eventId === "") return answer(observe, invalid(noEventId));
    const checked = checkEvent(request, rules);
    if ("violation" in checked) {
      observe({ kind: "rejected", reason: "invalid", count: 1 });
      throw badRequest(checked.violation);
    }
    const [only] = await append([checked.event], signal);
    if (only === undefined) throw new Error("the store gave no result for an event");
    return only;
  };

  const ingestBatch = async (
    { events: requests }: IngestBatchRequest,
    signal: AbortSignal,
  ): Promise<IngestBatchResponse> => {
    if (requests.length > maxBatchEvents) throw tooManyEvents(requests.length, observe);
    const checked = requests.map((request) =>
      request.eventId === "" ? { violation: noEventId } : checkEvent(request, rules),
    );
    const stored = await append(
      checked.flatMap((one) => ("event" in one ? [one.event] : [])),
      signal,
    );
    const next = stored.values();
    const results = checked.map((one) => {
      if ("violation" in one) return answer(observe, invalid(one.violation));
      const { value } = next.next();
      if (value === undefined) throw new Error("the store gave no result for an event");
      return value;
    });
    return create(IngestBatchResponseSchema, { results });
  };

  return (router) =>
    router.service(EventService, {
      ingestEvent: (request, { signal }) => ingestEvent(request, signal),
      ingestBatch: (request, { signal }) => ingestBatch(request, signal),
      ingestStream: (batches, { signal }) =>
        ingestStream(batches, { ingestBatch, signal, draining, idleMs: streamIdleMs }),
      async getStatus({ jobId }, { signal }) {
        const [job] = await jobs.submit([jobId], signal).catch((error: unknown) => {
          throw storeStatus(error);
        });
        return jobStatus(jobId, job?.tenant === tenant ? job : undefined);
      },
    });
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

const noEventId: Violation = { field: "event_id", message: "No event id received" };

function answer(observe: (event: ServerEvent) => void, given: EventResponse): EventResponse {
  observe({ kind: "ingested", outcome: given.outcome, count: 1 });
  return given;
}

function invalid({ message }: Violation): EventResponse {
  return respond({ accepted: false, message, outcome: Outcome.INVALID });
}

function response({ outcome, jobId }: Appended): EventResponse {
  switch (outcome) {
    case "ACCEPTED":
      return respond({ accepted: true, message: stored, jobId, outcome: Outcome.ACCEPTED });
    case "DUPLICATE":
      return respond({ accepted: true, message: stored, jobId, outcome: Outcome.DUPLICATE });
    case "CONFLICT":
      return respond({ accepted: false, message: conflict, outcome: Outcome.CONFLICT });
  }
}

const stored = "Event received successfully";
const conflict = "event_id already used with a different payload";

function respond(init: MessageInitShape<typeof EventResponseSchema>): EventResponse {
  return create(EventResponseSchema, init);
}

function rejection(error: unknown): Rejection {
  if (!(error instanceof ConnectError)) return "unavailable";
  if (error.code === Code.Canceled || error.code === Code.DeadlineExceeded) return "aborted";
  return "unavailable";
}
