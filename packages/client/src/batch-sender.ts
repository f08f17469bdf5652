import { Code, ConnectError } from "@connectrpc/connect";
import type { IngestBatchResponse } from "@event-ingestion/api";
import { type Batch, type BatchStream, openBatchStream } from "./batch-stream.ts";
import { canceled, type EventServiceClient, type TryLimits } from "./call.ts";
import { isTransient } from "./retry.ts";
import type { StreamSupport } from "./stream-support.ts";

/** The way of the batches of one `ingestMany` to the server. */
export interface BatchSender {
  /** Tries to send one batch: over the stream if there can be one, else by IngestBatch. */
  send(batch: Batch, limits: TryLimits): Promise<IngestBatchResponse>;
  /** Nothing more is sent; ends the stream. */
  close(): void;
}

/** A sender without a stream. */
export function sendByBatch(service: EventServiceClient): BatchSender {
  return { send: (batch, limits) => service.ingestBatch(batch, limits), close: () => undefined };
}

/**
 * A sender over one stream at a time; a batch that is tried again after a stream ended opens the next one. An error that
 * would not stand for another try may be that of any batch on the stream, so each is then asked by itself.
 */
export function sendByStream(service: EventServiceClient, support: StreamSupport): BatchSender {
  let stream: BatchStream | undefined;
  const open = () =>
    openBatchStream((batches, signal) => service.ingestStream(batches, { signal, timeoutMs: 0 }));
  return {
    async send(batch, limits) {
      const deadline = performance.now() + limits.timeoutMs;
      const left = () => ({ ...limits, timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())) });
      if (!(await within(support.available(), limits))) return service.ingestBatch(batch, left());
      try {
        if (stream?.open !== true) stream = open();
        return await within(stream.send(batch), left());
      } catch (reason) {
        const isOver = limits.signal?.aborted === true || performance.now() >= deadline;
        if (isOver || isTransient(ConnectError.from(reason))) throw reason;
        return service.ingestBatch(batch, left());
      }
    },
    close: () => stream?.close(),
  };
}

/** The answer, unless the time is over or the signal aborts first, as a call of its own would end then. */
async function within<T>(answer: Promise<T>, { timeoutMs, signal }: TryLimits): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const expire = () => reject(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const abort = () => signal && reject(canceled(signal));
  const timer = setTimeout(expire, timeoutMs);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
