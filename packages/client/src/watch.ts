import { Code, ConnectError } from "@connectrpc/connect";
import type { StatusResponse } from "@event-ingestion/api";
import { canceled, type EventServiceClient, pause } from "./call.ts";
import { type CallOptions, checkTimeout, type ResolvedOptions } from "./options.ts";
import { retryDelayMs } from "./retry.ts";

/**
 * A watch without a message for this long, in ms, is opened anew: servers repeat the last message after 15 s, so the connection is
 * dead, or a proxy holds messages back.
 */
const silenceMs = 45_000;

/**
 * The states of a job, each newer than the one before, the last one when it has ended or is not found. A watch that breaks
 * is opened again where it was.
 *
 * @throws ConnectError CANCELED, DEADLINE_EXCEEDED, or the error that stands after the last try. UNIMPLEMENTED by servers
 * that cannot watch.
 */
export async function* watchJob(
  service: EventServiceClient,
  jobId: string,
  { client, signal, timeoutMs }: CallOptions & { client: ResolvedOptions },
): AsyncGenerator<StatusResponse, void> {
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  const deadline = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  let last: StatusResponse | undefined;
  let failures = 0;
  for (;;) {
    try {
      if (signal?.aborted) throw canceled(signal);
      const afterRevision = last?.revision ?? 0n;
      for await (const job of messages(service, { jobId, afterRevision }, { signal, deadline })) {
        failures = 0;
        const hasEnded = job.status !== "processing";
        if (!hasEnded && last !== undefined && job.revision <= last.revision) continue;
        last = job;
        yield job;
        if (hasEnded) return;
      }
      throw new ConnectError("the watch ended before the job did", Code.Unavailable);
    } catch (reason) {
      const error = ConnectError.from(reason);
      const waitMs = retryDelayMs(error, ++failures, { policy: client, random: Math.random() });
      if (signal?.aborted || waitMs === undefined || performance.now() + waitMs >= deadline) throw error;
      client.observe({ kind: "retry", error, tries: failures, waitMs });
      await pause(waitMs, signal);
    }
  }
}

/** One call of WatchStatus. @throws ConnectError UNAVAILABLE when it hears nothing for too long. */
async function* messages(
  service: EventServiceClient,
  request: { jobId: string; afterRevision: bigint },
  { signal, deadline }: { signal: AbortSignal | undefined; deadline: number },
): AsyncGenerator<StatusResponse, void> {
  const silence = new AbortController();
  const silent = new ConnectError(`nothing was heard of the job for ${silenceMs} ms`, Code.Unavailable);
  const expire = () => silence.abort(silent);
  let timer = setTimeout(expire, silenceMs);
  const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
  const limits = {
    signal: signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]),
    ...(Number.isFinite(leftMs) && { timeoutMs: leftMs }),
  };
  try {
    for await (const message of service.watchStatus(request, limits)) {
      clearTimeout(timer);
      yield message;
      timer = setTimeout(expire, silenceMs);
    }
  } catch (error) {
    throw silence.signal.aborted ? silent : error;
  } finally {
    clearTimeout(timer);
    // Ends the call where the loop was left.
    silence.abort(silent);
  }
}
