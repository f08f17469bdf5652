import type { IngestBatchRequest, IngestBatchResponse } from "@event-ingestion/api";
import { retryLater } from "../retry-info.ts";

/** What `ingestStream` takes beside the batches. */
export interface IngestStreamOptions {
  /** Stores one batch and answers it. */
  ingestBatch: (batch: IngestBatchRequest) => Promise<IngestBatchResponse>;
  /** Resolves when the stream may read another batch; undefined if that is now. */
  turn: () => Promise<void> | undefined;
  /** Aborts with the call. */
  signal: AbortSignal;
  /** Aborted when nothing more may be read. */
  draining: AbortSignal;
  /** How long the stream may wait for a batch while it has none to store, in ms. */
  idleMs: number;
}

/**
 * How much of one stream may be unanswered before reading pauses: enough for one commit to run while the next one fills, and
 * little enough for several streams to fit into the waiting room.
 */
const window = { batches: 64, events: 2000, bytes: 4 * 1024 * 1024 };

interface Work {
  events: number;
  bytes: number;
  answer: Promise<Step>;
}

type Step =
  | { kind: "batch"; batch: IngestBatchRequest }
  | { kind: "answer"; answer: IngestBatchResponse }
  /** Nothing more is read. Without an error the producer is done. */
  | { kind: "end"; error?: unknown };

/**
 * Stores the batches of one stream, several at once, and answers them in order. Nothing is read while the window is
 * full, it is not the stream's turn, or an answer is not taken, so a producer that does not read its answers has to stop.
 *
 * Whatever ends the reading (the producer, a broken request, idleness, the drain), all batches that were read are answered first.
 *
 * @throws the error that ended the reading, or that refused the oldest unanswered batch; later batches under way may be stored
 * without an answer.
 */
export async function* ingestStream(
  batches: AsyncIterable<IngestBatchRequest>,
  options: IngestStreamOptions,
): AsyncGenerator<IngestBatchResponse, void> {
  const source = batches[Symbol.asyncIterator]();
  const works: Work[] = [];
  let reading: Promise<Step> | undefined;
  let end: { error?: unknown } | undefined;
  const stop = createStop(options);
  try {
    while (end === undefined || works.length > 0) {
      if (end === undefined && hasRoom(works)) reading ??= read(source, options);
      const [oldest] = works;
      const step = await (end === undefined || oldest === undefined
        ? stop.race([oldest?.answer, reading], { idle: oldest === undefined })
        : oldest.answer);
      switch (step.kind) {
        case "batch":
          reading = undefined;
          works.push(begin(step.batch, options));
          break;
        case "answer":
          works.shift();
          yield step.answer;
          break;
        case "end":
          end = step;
      }
    }
  } finally {
    stop.release();
  }
  if (end?.error !== undefined) throw end.error;
}

function hasRoom(works: readonly Work[]): boolean {
  let events = 0;
  let bytes = 0;
  for (const work of works) {
    events += work.events;
    bytes += work.bytes;
  }
  return works.length < window.batches && events < window.events && bytes < window.bytes;
}

async function read(source: AsyncIterator<IngestBatchRequest>, { turn }: IngestStreamOptions): Promise<Step> {
  try {
    await turn();
    const got = await source.next();
    return got.done === true ? { kind: "end" } : { kind: "batch", batch: got.value };
  } catch (error) {
    return { kind: "end", error };
  }
}

function begin(batch: IngestBatchRequest, { ingestBatch }: IngestStreamOptions): Work {
  const answer = ingestBatch(batch).then((response): Step => ({ kind: "answer", answer: response }));
  // It is awaited in its turn; until then a failure is no unhandled rejection.
  answer.catch(() => undefined);
  const bytes = batch.events.reduce((sum, { payload }) => sum + payload.length, 0);
  return { events: batch.events.length, bytes, answer };
}

/** What ends the reading from outside. */
interface Stop {
  /** The first of the steps that come. With `idle` the stream ends when none comes in time. */
  race(steps: (Promise<Step> | undefined)[], options: { idle: boolean }): Promise<Step>;
  release(): void;
}

function createStop({ signal, draining, idleMs }: IngestStreamOptions): Stop {
  let ended: Step | undefined;
  // One wait at a time is woken. A promise for the life of the stream would keep what every wait of it hung on it.
  let wake: ((step: Step) => void) | undefined;
  const end = (error: unknown) => {
    ended ??= { kind: "end", error };
    wake?.(ended);
  };
  const abort = () => end(signal.reason);
  const drain = () => end(retryLater("the server is shutting down; send what has no answer again"));
  const expire = () => end(retryLater(`no batch came for ${idleMs} ms; open a new stream for the next one`));
  signal.addEventListener("abort", abort, { once: true });
  draining.addEventListener("abort", drain, { once: true });
  if (draining.aborted) drain();
  return {
    async race(steps, { idle }) {
      if (ended !== undefined) return ended;
      const timer = idle ? setTimeout(expire, idleMs) : undefined;
      const stopped = new Promise<Step>((resolve) => {
        wake = resolve;
      });
      const waits = steps.filter((step) => step !== undefined);
      return Promise.race([...waits, stopped]).finally(() => clearTimeout(timer));
    },
    release() {
      signal.removeEventListener("abort", abort);
      draining.removeEventListener("abort", drain);
    },
  };
}
