import type { ConnectRouter } from "@connectrpc/connect";
import { EventService } from "@event-ingestion/api";
import type { Batcher, Job } from "@event-ingestion/store";
import type { BatchGate } from "../admission/batch-gate.ts";
import { type EventAnswersContext, createEventAnswers, tenant } from "./event-answers.ts";
import { ingestStream } from "./ingest-stream.ts";
import { jobStatus } from "./job-status.ts";
import { storeStatus } from "../store-status.ts";

/** What the EventService needs. */
export interface EventServiceContext extends EventAnswersContext {
  /** Told of the batches that have come in. */
  batches: Pick<BatchGate, "arrived">;
  /** Looks jobs up; requests that come while a lookup is under way share the next. */
  jobs: Batcher<string, Job | null>;
  /** Aborted when open streams may read no more. */
  draining: AbortSignal;
}

/** How long an IngestStream may be silent, in ms. */
const streamIdleMs = 60_000;

/** event.EventService. */
export function eventRoutes(context: EventServiceContext): (router: ConnectRouter) => void {
  const { batches, ingest, jobs, draining } = context;
  const answers = createEventAnswers(context);
  return (router) =>
    router.service(EventService, {
      ingestEvent: (request, caller) => answers.ingestEvent(request, caller),
      ingestBatch(request, caller) {
        batches.arrived(request.events.length);
        return answers.ingestBatch(request, caller);
      },
      ingestStream: (requests, caller) =>
        ingestStream(requests, {
          ingestBatch: (batch) => answers.ingestBatch(batch, caller, "wait"),
          turn: () => ingest.room.turn(),
          signal: caller.signal,
          draining,
          idleMs: streamIdleMs,
        }),
      async getStatus({ jobId }, caller) {
        const [job] = await jobs.submit([jobId], caller).catch((error: unknown) => {
          throw storeStatus(error);
        });
        return jobStatus(jobId, job?.tenant === tenant ? job : undefined);
      },
    });
}
