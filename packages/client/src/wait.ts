import { Code, ConnectError } from "@connectrpc/connect";
import type { StatusResponse } from "@event-ingestion/api";
import { type EventServiceClient, pause } from "./call.ts";
import {
  type CallOptions,
  checkInteger,
  checkTimeout,
  type ResolvedOptions,
  type WaitOptions,
} from "./options.ts";
import { watchJob } from "./watch.ts";

/** Waits for the end of a job. @throws ConnectError DEADLINE_EXCEEDED if it has not ended in time. */
export type WaitUntilDone = (jobId: string, options?: WaitOptions) => Promise<StatusResponse>;

/** What `createWait` takes. */
export interface WaitContext {
  service: EventServiceClient;
  client: ResolvedOptions;
  status: (jobId: string, options: CallOptions) => Promise<StatusResponse>;
}

/** How long the last question of a wait may take, in ms; a guess. */
const lastQuestionMs = 1000;

/**
 * How many jobs are watched at once; the others are polled. A watch holds a stream of the connection that other calls need,
 * and in a browser one of the six connections that it allows over HTTP/1.1.
 */
const maxWatches = "document" in globalThis ? 2 : 64;

/** A watch without a message for this long, in ms, is given up for polling: a proxy may hold back the server's messages. */
const firstMessageMs = 5000;

/** Waits by watching where that is possible, otherwise by polling. */
export function createWait({ service, client, status }: WaitContext): WaitUntilDone {
  let watches = 0;
  let canWatch = client.streaming;

  /** The end of the job; undefined: it has to be asked for, or the time is over. */
  const watch = async (
    jobId: string,
    { signal, timeoutMs }: CallOptions,
  ): Promise<StatusResponse | undefined> => {
    if (!canWatch || watches >= maxWatches) return undefined;
    watches++;
    const unheard = new AbortController();
    const timer = setTimeout(() => unheard.abort(), firstMessageMs);
    const either = signal === undefined ? unheard.signal : AbortSignal.any([signal, unheard.signal]);
    try {
      for await (const job of watchJob(service, jobId, { client, timeoutMs, signal: either })) {
        clearTimeout(timer);
        if (job.status !== "processing") return job;
      }
    } catch (error) {
      const { code } = ConnectError.from(error);
      if (code === Code.Unimplemented) canWatch = false;
      else if (code !== Code.DeadlineExceeded && !unheard.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      watches--;
    }
    return undefined;
  };

  return async (jobId, { signal, timeoutMs, pollMs = 50 } = {}) => {
    checkInteger("pollMs", pollMs, { min: 1, max: 60_000 });
    if (timeoutMs !== undefined) checkTimeout(timeoutMs);
    const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    const ended = await watch(jobId, { signal, timeoutMs });
    if (ended !== undefined) return ended;
    for (let pauseMs = pollMs; ; pauseMs = Math.min(2 * pauseMs, 32 * pollMs)) {
      const leftMs = Math.ceil(deadline - performance.now());
      // A timer may end within its last millisecond, so what is left then is no time for a question.
      const isLast = leftMs <= 1;
      const askMs = Math.min(isLast ? lastQuestionMs : leftMs, client.timeoutMs);
      const job = await status(jobId, { signal, timeoutMs: askMs });
      if (job.status !== "processing") return job;
      if (isLast) {
        throw new ConnectError(
          `job ${jobId} is still processing after ${timeoutMs} ms`,
          Code.DeadlineExceeded,
        );
      }
      await pause(Math.min(pauseMs, Math.max(0, deadline - performance.now())), signal);
    }
  };
}
