import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { SettleResult, WorkerService } from "@event-ingestion/api/worker/v1";
import { type JobSource, type Session, StoreError } from "@event-ingestion/store";
import { toLeased, toSessionMessage, toVerdictMessage } from "./remote-messages.ts";
import { relaySessions } from "./remote-sessions.ts";

/** How long one Claim waits for work: below the shortest usual limit of proxies, which is 15 s. */
const waitMs = 10_000;
/** How long a call may take besides. */
const callMs = 10_000;
/** The longest that is waited because the server asked for it, so that a lease of 5 s outlives it. */
const maxAskedMs = 3000;

/**
 * The jobs of a server, over its WorkerService. `transport` should notice a connection that is dead without a word: give
 * that of @connectrpc/connect-node a `pingIntervalMs`.
 *
 * A server that is away is asked again until it answers; sessions outlive its restart. An idle worker has one call
 * under way that waits for work, and no stream.
 */
export function remoteSource(transport: Transport): JobSource {
  return relaySessions(workerService(createClient(WorkerService, transport)));
}

/** Each call is one request. */
function workerService(client: Client<typeof WorkerService>): JobSource {
  return {
    async openSession(worker, ttlMs) {
      const request = { worker, ttl: durationFromMs(ttlMs) };
      const { session } = await answered(client.openSession(request, { timeoutMs: callMs }));
      if (session === undefined) throw new StoreError("unknown", "unavailable", "the server gave no session");
      return { id: session.id, ttlMs };
    },

    async claim(session, max, signal = new AbortController().signal) {
      const request = { session: toSessionMessage(session), maxJobs: max, wait: durationFromMs(waitMs) };
      const limits = { timeoutMs: waitMs + callMs, signal };
      try {
        for (;;) {
          const askedAt = performance.now();
          const { jobs } = await answered(client.claim(request, limits));
          // An early end without jobs: the server shuts down. The worker asks again in its own time.
          if (jobs.length > 0 || performance.now() - askedAt < waitMs / 2) return jobs.map(toLeased);
        }
      } catch (error) {
        if (signal.aborted) return [];
        throw error;
      }
    },

    async heartbeat(session) {
      const request = { session: toSessionMessage(session) };
      const { lost, cancelRequested } = await answered(client.heartbeat(request, limitsOf(session)));
      return { lost, cancelRequested };
    },

    async settle(session, verdicts) {
      const request = { session: toSessionMessage(session), verdicts: verdicts.map(toVerdictMessage) };
      const { results } = await answered(client.settle(request, { timeoutMs: callMs }));
      return results.map((result) => (result === SettleResult.OK ? "ok" : "lost"));
    },

    async closeSession(session) {
      await answered(client.closeSession({ session: toSessionMessage(session) }, limitsOf(session)));
    },

    // A claim comes back as soon as there is work, so there is nothing to hint at.
    hints: () => ReadableStream.from([]),
  };
}

/** Short enough that another try fits into the lease. */
function limitsOf({ ttlMs }: Session): { timeoutMs: number } {
  return { timeoutMs: Math.min(callMs, Math.ceil(ttlMs / 3)) };
}

/** The answer of a call, or what the port says instead. Only the server's own words tell that nothing was done. */
async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (reason) {
    const error = ConnectError.from(reason);
    if (error.code === Code.InvalidArgument) {
      throw new StoreError("notApplied", "invalid", error.message, { cause: error });
    }
    const askedMs = Number(error.metadata.get("retry-after")) * 1000;
    if (askedMs > 0) await sleep(Math.min(askedMs, maxAskedMs));
    throw new StoreError("unknown", "unavailable", error.message, { cause: error });
  }
}
