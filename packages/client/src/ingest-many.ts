import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type EventRequest,
  type EventResponse,
  EventResponseSchema,
  type IngestBatchResponse,
  Outcome,
} from "@event-ingestion/api";
import type { Batch } from "./batch-stream.ts";
import { toBatches } from "./batches.ts";
import { canceled } from "./call.ts";
import { findProblem, type NewEvent, requestBytes, toRequest } from "./new-event.ts";
import { type CallOptions, checkInteger, checkTimeout } from "./options.ts";

/** Limits of `ingestMany`; `timeoutMs` is that of one batch with all its tries. */
export interface IngestManyOptions extends CallOptions {
  /** Events in one batch, 1 to 1000. Default 1000. */
  batchSize?: number | undefined;
  /** Batches under way at once, 1 to 100. Default 4. */
  concurrency?: number | undefined;
}

/** What became of one of many events. */
export interface IngestedItem<E> {
  /** Its place in the input, from 0. */
  index: number;
  /** The id that it was sent with. */
  eventId: string;
  /** The very object that was given. */
  event: E;
  response: EventResponse;
}

/** Checked and complete. */
export interface ManyOptions {
  batchSize: number;
  concurrency: number;
  signal: AbortSignal | undefined;
}

/** @throws RangeError naming the option, what was wanted and what was got. */
export function resolveManyOptions({
  batchSize = 1000,
  concurrency = 4,
  timeoutMs,
  signal,
}: IngestManyOptions): ManyOptions {
  checkInteger("batchSize", batchSize, { min: 1, max: 1000 });
  checkInteger("concurrency", concurrency, { min: 1, max: 100 });
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  return { batchSize, concurrency, signal };
}

/** A server takes 4 MiB in one message. Half of it, since as JSON a payload that holds JSON is up to twice as long. */
const limits = { maxBytes: 2 * 1024 * 1024, lingerMs: 20 };

/** The longest event that is tried; whether it is over the server's limit is for the server to say. */
const maxEventBytes = 4 * 1024 * 1024 - 1024;

interface Entry<E> {
  index: number;
  event: E;
  request: EventRequest;
  bytes: number;
  /** Why it is not sent. */
  problem: string | undefined;
}

/** How the batches get to the server. */
export interface BatchSending {
  /** Answers when the batch has its results, however many tries that takes. */
  send: (batch: Batch, signal: AbortSignal) => Promise<IngestBatchResponse>;
  /** Nothing more will be sent. */
  close: () => void;
}

/** `ingestMany` of the client, with its options checked. */
export async function* ingestInBatches<E extends NewEvent>(
  events: Iterable<E> | AsyncIterable<E>,
  { batchSize, concurrency, signal }: ManyOptions,
  { send, close }: BatchSending,
): AsyncGenerator<IngestedItem<E>, void> {
  const ended = new AbortController();
  const stop = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  const batches = toBatches(events, { ...limits, maxItems: batchSize, prepare: toEntry<E> }, stop);
  const sent: Promise<IngestedItem<E>[]>[] = [];
  let next: Promise<IteratorResult<Entry<E>[], void>> | undefined;
  let exhausted = false;
  let failure: { reason: unknown } | undefined;
  try {
    while (true) {
      if (!exhausted && sent.length < concurrency) {
        // A source that fails must not cost the results of what was sent before.
        next ??= batches.next().catch((reason: unknown) => {
          failure = { reason };
          return { done: true, value: undefined };
        });
      }
      const waiting = [sent[0], next].filter((one) => one !== undefined);
      if (waiting.length === 0) break;
      const got = await Promise.race(waiting);
      if (Array.isArray(got)) {
        void sent.shift();
        yield* got;
        continue;
      }
      next = undefined;
      if (got.done === true) exhausted = true;
      else sent.push(handledLater(sendBatch(got.value, send, stop)));
    }
    if (signal?.aborted) throw canceled(signal);
    if (failure !== undefined) throw failure.reason;
  } finally {
    close();
    ended.abort();
    await batches.return();
  }
}

function toEntry<E extends NewEvent>(event: E, index: number): Entry<E> {
  const request = toRequest(event);
  const bytes = requestBytes(request);
  const tooLong =
    bytes > maxEventBytes ? `event must be at most ${maxEventBytes} bytes, got ${bytes}` : undefined;
  const problem = findProblem(request) ?? tooLong;
  return { index, event, request, bytes: problem === undefined ? bytes : 0, problem };
}

async function sendBatch<E>(
  batch: Entry<E>[],
  send: BatchSending["send"],
  signal: AbortSignal,
): Promise<IngestedItem<E>[]> {
  const requests = batch.filter(({ problem }) => problem === undefined).map(({ request }) => request);
  const { results } = requests.length === 0 ? { results: [] } : await send({ events: requests }, signal);
  const answers = results.values();
  return batch.map(({ index, event, request, problem }) => {
    const response = problem === undefined ? answers.next().value : invalid(problem);
    if (response === undefined) {
      const message = `the server answered ${requests.length} events with ${results.length} results`;
      throw new ConnectError(message, Code.Internal);
    }
    return { index, eventId: request.eventId, event, response };
  });
}

function invalid(message: string): EventResponse {
  return create(EventResponseSchema, { accepted: false, message, outcome: Outcome.INVALID });
}

/** The same promise. It is awaited in its turn; until then a failure is no unhandled rejection. */
function handledLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
