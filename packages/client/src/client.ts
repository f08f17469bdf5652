import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { type EventResponse, EventService, type StatusResponse } from "@event-ingestion/api";
import { sendByBatch, sendByStream } from "./batch-sender.ts";
import { callWithRetries } from "./call.ts";
import {
  type IngestedItem,
  type IngestManyOptions,
  ingestInBatches,
  resolveManyOptions,
} from "./ingest-many.ts";
import { findProblem, type NewEvent, toRequest } from "./new-event.ts";
import { type CallOptions, type EventClientOptions, resolveOptions, type WaitOptions } from "./options.ts";
import { createWait } from "./wait.ts";
import { watchJob } from "./watch.ts";
import { createStreamSupport } from "./stream-support.ts";

/** What became of one event. */
export interface Ingested {
  /** The id that the event was sent with: its own, or the one that the client made. */
  eventId: string;
  /** `accepted` is the promise that the event is stored; a DUPLICATE is accepted, CONFLICT and INVALID are not. */
  response: EventResponse;
}

/** Sends events and asks for the status of their jobs. Every call may be made by many at once. */
export interface EventClient {
  /**
   * Sends one event, with the same event id until there is an answer: it is stored once, however often it was sent.
   *
   * @throws ConnectError INVALID_ARGUMENT if the event breaks a limit, UNAVAILABLE if the last try failed.
   */
  ingest(event: NewEvent, options?: CallOptions): Promise<Ingested>;
  /**
   * Sends many events in batches, over one call of IngestStream where the way to the server takes it, and gives one
   * result for each, in input order, so what was given is a prefix of the input that is answered for good. An event
   * that is refused is a result like any other.
   *
   * Reads ahead by at most `concurrency` + 1 batches. A slow source does not hold events back: a batch leaves at most
   * 20 ms after its first event. Ending the loop early aborts what is under way.
   *
   * @throws ConnectError of the first batch without an answer. Whatever the source throws, after all earlier results.
   */
  ingestMany<E extends NewEvent>(
    events: Iterable<E> | AsyncIterable<E>,
    options?: IngestManyOptions,
  ): AsyncIterable<IngestedItem<E>>;
  /** Where a job stands; an unknown id has the status "not found". */
  status(jobId: string, options?: CallOptions): Promise<StatusResponse>;
  /**
   * Follows a job: its state now, then every change, and the end. A watch that breaks goes on where it was. A reader that
   * is slow gets the newest state, not those between. `timeoutMs` bounds the whole watch; default: until the job has ended.
   *
   * @throws ConnectError DEADLINE_EXCEEDED after `timeoutMs`, UNAVAILABLE if the last try failed, UNIMPLEMENTED by a server
   * that cannot watch.
   */
  watch(jobId: string, options?: CallOptions): AsyncIterable<StatusResponse>;
  /**
   * Waits until the status is not "processing" any more: "done", "failed", "cancelled" or "not found". Watches the job; asks
   * again and again where that is not possible, or too many are watched. It asks a last time when `timeoutMs` are over.
   *
   * @throws ConnectError DEADLINE_EXCEEDED if the job is still processing then.
   */
  waitUntilDone(jobId: string, options?: WaitOptions): Promise<StatusResponse>;
}

/**
 * A client of the event ingestion service, for servers and browsers.
 *
 * UNAVAILABLE, a broken connection, and RESOURCE_EXHAUSTED with google.rpc.RetryInfo are tried again, after the larger
 * of the delay that the server asks for and a growing one of its own. Calls throw ConnectError, or
 * RangeError for an option out of its limits.
 *
 * @throws RangeError for an option out of its limits.
 */
export function createEventClient(given: EventClientOptions): EventClient {
  const client = resolveOptions(given);
  const service = createClient(EventService, client.transport);
  const streamSupport = createStreamSupport(service);

  const status = (jobId: string, options: CallOptions = {}): Promise<StatusResponse> =>
    callWithRetries((limits) => service.getStatus({ jobId }, limits), client, options);

  return {
    async ingest(event, options = {}) {
      const request = toRequest(event);
      const problem = findProblem(request);
      if (problem !== undefined) throw new ConnectError(problem, Code.InvalidArgument);
      const response = await callWithRetries(
        (limits) => service.ingestEvent(request, limits),
        client,
        options,
      );
      return { eventId: request.eventId, response };
    },

    ingestMany(events, options = {}) {
      const sender = client.streaming ? sendByStream(service, streamSupport) : sendByBatch(service);
      return ingestInBatches(events, resolveManyOptions(options), {
        send: (batch, signal) =>
          callWithRetries((limits) => sender.send(batch, limits), client, { ...options, signal }),
        close: () => sender.close(),
      });
    },

    status,

    watch: (jobId, options = {}) => watchJob(service, jobId, { client, ...options }),

    waitUntilDone: createWait({ service, client, status }),
  };
}
