import { Code, ConnectError } from "@connectrpc/connect";
import type { EventRequest, IngestBatchResponse } from "@event-ingestion/api";

/** A request of IngestBatch, or one message of IngestStream. */
export interface Batch {
  events: EventRequest[];
}

/** IngestStream of a service. */
export type StreamCall = (
  batches: AsyncIterable<Batch>,
  signal: AbortSignal,
) => AsyncIterable<IngestBatchResponse>;

/** One call of IngestStream under way. */
export interface BatchStream {
  /** False once it has ended, however that came. */
  readonly open: boolean;
  /** Resolves with the answer to this batch; rejects with whatever ended the stream before it came. */
  send(batch: Batch): Promise<IngestBatchResponse>;
  /** Ends the stream: in order if every batch has its answer, else at once. */
  close(): void;
}

/** Begins a call of IngestStream. Answers come in the order of the batches, so each belongs to the oldest without one. */
export function openBatchStream(call: StreamCall): BatchStream {
  const outbox: Batch[] = [];
  const waiting: PromiseWithResolvers<IngestBatchResponse>[] = [];
  const cut = new AbortController();
  let open = true;
  let wake: (() => void) | undefined;

  async function* outgoing(): AsyncGenerator<Batch, void> {
    for (;;) {
      const batch = outbox.shift();
      if (batch !== undefined) yield batch;
      else if (!open) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const end = () => {
    open = false;
    wake?.();
  };
  const receive = async () => {
    for await (const answer of call(outgoing(), cut.signal)) {
      const oldest = waiting.shift();
      if (oldest === undefined)
        throw new ConnectError("the server sent an answer without a batch", Code.Internal);
      oldest.resolve(answer);
    }
    throw new ConnectError("the server ended the stream", Code.Unavailable);
  };
  receive().catch((error: unknown) => {
    end();
    cut.abort();
    for (const { reject } of waiting) reject(error);
  });

  return {
    get open() {
      return open;
    },
    send(batch) {
      const answer = Promise.withResolvers<IngestBatchResponse>();
      waiting.push(answer);
      outbox.push(batch);
      wake?.();
      return answer.promise;
    },
    close() {
      if (waiting.length > 0) cut.abort();
      end();
    },
  };
}
