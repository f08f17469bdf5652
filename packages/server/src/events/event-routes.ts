import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { EventService } from "@event-ingestion/api";
import type { Batcher, Job } from "@event-ingestion/store";
import { createBatchGate } from "../admission/batch-gate.ts";
import { type EventAnswersContext, createEventAnswers, maxBatchEvents, tenant } from "./event-answers.ts";
import { ingestStream } from "./ingest-stream.ts";
import { jobStatus } from "./job-status.ts";
import { storeStatus } from "../store-status.ts";
import { watchStatus } from "./watch-status.ts";
import type { Watchers } from "./watchers.ts";

/** What the EventService needs. */
export interface EventServiceContext extends EventAnswersContext {
  /** Looks jobs up; requests that come while a lookup is under way share the next. */
  jobs: Batcher<string, Job | null>;
  /** Follows jobs. */
  watchers: Watchers;
  /** Aborted when open streams may read no more. */
  draining: AbortSignal;
}

/** How long an IngestStream may be silent, in ms. */
const streamIdleMs = 60_000;

/** After this long without a change a watcher gets the last message again, in ms: shorter than proxies wait. */
const silenceMs = 15_000;

/** event.EventService. */
export interface EventRoutes {
  routes: (router: ConnectRouter) => void;
  /** Asked before a request is received. @throws ConnectError for a batch that there is no room for. */
  gate: (method: DescMethod) => void;
}

/** The handlers of event.EventService, and what they want to know before a request is received. */
export function createEventRoutes(context: EventServiceContext): EventRoutes {
  const { ingest, jobs, watchers, draining, observe } = context;
  const answers = createEventAnswers(context);
  const batches = createBatchGate(ingest.room, {
    maxEvents: maxBatchEvents,
    refused: () => observe({ kind: "connection", what: "batch-overload" }),
  });
  const routes = (router: ConnectRouter) =>
    void router.service(EventService, {
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
          throw storeStatus(error, "read");
        });
        return jobStatus(jobId, job?.tenant === tenant ? job : undefined);
      },
      watchStatus: (request, caller) =>
        watchStatus(request, {
          follower: watchers.follow(request.jobId, caller.signal),
          mayKnow: (job) => job.tenant === tenant,
          silenceMs,
        }),
    });
  const gate = (method: DescMethod) => {
    if (method === EventService.method.ingestBatch) batches.enter();
  };
  return { routes, gate };
}
