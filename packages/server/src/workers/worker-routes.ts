import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError, ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  ClaimResponseSchema,
  HeartbeatResponseSchema,
  type JobSchema,
  OpenSessionResponseSchema,
  type Session as SessionMessage,
  SettleRequestSchema,
  SettleResponseSchema,
  SettleResult,
  type Verdict as VerdictMessage,
  WorkerService,
} from "@event-ingestion/api/worker/v1";
import { type JobStore, type Leased, maxKeyBytes, type Session, type Verdict } from "@event-ingestion/store";
import type { Claims } from "./claims.ts";
import { fittingInJson } from "./json-answers.ts";
import type { ElementLimit } from "../http/inspect/inspect.ts";
import { storeStatus } from "../store-status.ts";
import { badRequest } from "../events/validate.ts";

/** What the WorkerService needs. */
export interface WorkerServiceContext {
  store: Pick<JobStore, "caps" | "openSession" | "heartbeat" | "settle" | "closeSession">;
  claims: Claims;
}

/** More verdicts are refused before they are decoded. */
export function verdictLimits({ caps: { maxBatch } }: Pick<JobStore, "caps">): ElementLimit[] {
  const { verdicts } = SettleRequestSchema.field;
  return [{ field: verdicts, max: maxBatch, refuse: (got) => wrongCount("verdicts", got, maxBatch) }];
}

const ttlLimits = { min: 5000, max: 10 * 60_000 };
const delayLimits = { min: 0, max: 365 * 24 * 3_600_000 };
/** A longer wait is cut to this one, not refused. */
const maxClaimWaitMs = 30_000;
const maxResultBytes = 64 * 1024;

/** event.worker.v1.WorkerService. */
export function workerRoutes({ store, claims }: WorkerServiceContext): (router: ConnectRouter) => void {
  const { maxBatch } = store.caps;
  return (router) =>
    router.service(WorkerService, {
      async openSession({ worker, ttl }) {
        checkWorker(worker);
        const ttlMs = toMs("ttl", ttl, ttlLimits);
        claims.refuseIfDraining();
        const { id } = await answer(store.openSession(worker, ttlMs, "remote"));
        return create(OpenSessionResponseSchema, { session: { id, ttl: durationFromMs(ttlMs) } });
      },
      async claim({ session, maxJobs, wait }, caller) {
        checkCount("max_jobs", maxJobs, maxBatch);
        const waitMs = wait === undefined ? 0 : toMs("wait", wait, delayLimits);
        const call = {
          session: toSession(session),
          max: maxJobs,
          waitMs: Math.min(waitMs, maxClaimWaitMs),
          signal: caller.signal,
        };
        const leased = await answer(claims.claim(call));
        const fitting = wantsJson(caller) ? fittingInJson(leased) : leased.length;
        const jobs = leased.slice(0, fitting).map(toJob);
        if (fitting < leased.length)
          await answer(store.settle(call.session, leased.slice(fitting).map(release)));
        return create(ClaimResponseSchema, { jobs });
      },
      async heartbeat({ session }) {
        return create(HeartbeatResponseSchema, await answer(store.heartbeat(toSession(session))));
      },
      async settle({ session, verdicts }) {
        checkCount("verdicts", verdicts.length, maxBatch);
        const answers = await answer(store.settle(toSession(session), verdicts.map(toVerdict)));
        return create(SettleResponseSchema, { results: answers.map((one) => settleResults[one]) });
      },
      async closeSession({ session }) {
        await answer(store.closeSession(toSession(session)));
        return {};
      },
    });
}

function wantsJson({ requestHeader }: HandlerContext): boolean {
  return /json/i.test(requestHeader.get("content-type") ?? "");
}

/** For the next claim. */
function release({ jobId, attempt }: Leased): Verdict {
  return { jobId, attempt, as: "release" };
}

const settleResults = { ok: SettleResult.OK, lost: SettleResult.LOST };

async function answer<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw storeStatus(error, "change");
  }
}

function toSession(session: SessionMessage | undefined): Session {
  if (session === undefined) throw invalid("session", "must be given");
  return { id: session.id, ttlMs: toMs("session.ttl", session.ttl, ttlLimits) };
}

// A byte order mark in a payload is part of it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function toJob({ jobId, attempt, failures, acceptedAt, event }: Leased): MessageInitShape<typeof JobSchema> {
  const { tenant, eventId, type, payload, timestamp, maxAttempts, trace = "" } = event;
  return {
    jobId,
    attempt,
    maxAttempts,
    failures,
    acceptedAt: timestampFromMs(acceptedAt),
    tenant,
    traceparent: trace,
    event: { eventId, type, payload: decoder.decode(payload), timestamp },
  };
}

function toVerdict({ jobId, attempt, outcome }: VerdictMessage, index: number): Verdict {
  const field = `verdicts[${index}]`;
  switch (outcome.case) {
    case "succeeded":
      return {
        jobId,
        attempt,
        as: "succeeded",
        ...toResult(`${field}.succeeded.result`, outcome.value.result),
      };
    case "retry": {
      const { error, delay } = outcome.value;
      const delayMs = toMs(`${field}.retry.delay`, delay, delayLimits);
      return { jobId, attempt, as: "retry", delayMs, error };
    }
    case "dead":
      return { jobId, attempt, as: "dead", error: outcome.value.error };
    case "cancelled":
      return { jobId, attempt, as: "cancelled" };
    case "released":
      return { jobId, attempt, as: "release" };
    case undefined:
      throw invalid(field, "must have an outcome");
  }
}

function toResult(field: string, text: string): { result?: Uint8Array } {
  if (text === "") return {};
  const result = Buffer.from(text);
  if (result.byteLength <= maxResultBytes) return { result };
  throw invalid(field, `must be at most ${maxResultBytes} bytes, got ${result.byteLength}`);
}

function checkWorker(worker: string): void {
  const bytes = Buffer.byteLength(worker);
  if (bytes < 1 || bytes > maxKeyBytes)
    throw invalid("worker", `must be 1 to ${maxKeyBytes} bytes, got ${bytes}`);
  if (worker.includes("\0") || !worker.isWellFormed()) {
    throw invalid("worker", "must be well-formed Unicode without U+0000");
  }
}

function checkCount(field: string, got: number, max: number): void {
  if (got < 1 || got > max) throw wrongCount(field, got, max);
}

function wrongCount(field: string, got: number, max: number): ConnectError {
  return invalid(field, `must be 1 to ${max}, got ${got}`);
}

/** Whole milliseconds, rounded up. */
function toMs(
  field: string,
  duration: Duration | undefined,
  { min, max }: { min: number; max: number },
): number {
  const ms = duration === undefined ? Number.NaN : Math.ceil(durationMs(duration));
  if (ms >= min && ms <= max) return ms;
  throw invalid(field, `must be ${min} to ${max} ms, got ${duration === undefined ? "none" : `${ms} ms`}`);
}

function invalid(field: string, problem: string): ConnectError {
  return badRequest({ field, message: `${field} ${problem}` });
}
