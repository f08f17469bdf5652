import type { Leased, Verdict } from "@event-ingestion/store";
import { isReject } from "./handler.ts";
import { backoffMs, retryDelayMs, type RetryPolicy } from "./retry.ts";

const maxResultBytes = 64 * 1024;
const maxErrorBytes = 4096;
const encoder = new TextEncoder();

type Token = Pick<Leased, "jobId" | "attempt">;
type FailedToken = Pick<Leased, "jobId" | "attempt" | "failures">;

/**
 * The verdict on an attempt whose handler returned.
 *
 * @throws TypeError or RangeError if it returned what cannot be a result: that fails the attempt.
 */
export function verdictOnReturn({ jobId, attempt }: Token, returned: unknown): Verdict {
  if (returned === undefined || returned === "") return { jobId, attempt, as: "succeeded" };
  if (typeof returned !== "string") {
    const got = returned === null ? "null" : `a value of type ${typeof returned}`;
    throw new TypeError(`a handler must return a text or nothing, got ${got}`);
  }
  const result = encoder.encode(returned);
  if (result.byteLength > maxResultBytes) {
    throw new RangeError(
      `the result of a handler must be at most ${maxResultBytes} bytes, got ${result.byteLength}`,
    );
  }
  return { jobId, attempt, as: "succeeded", result };
}

/** The verdict on an attempt whose handler threw. There is always one, whatever it threw. */
export function verdictOnThrow(token: FailedToken, thrown: unknown, policy: RetryPolicy): Verdict {
  const error = errorText(thrown);
  try {
    const { jobId, attempt, failures } = token;
    if (isReject(thrown)) return { jobId, attempt, as: "dead", error };
    const delayMs = retryDelayMs(thrown, failures + 1, { ...policy, random: Math.random });
    return { jobId, attempt, as: "retry", delayMs, error };
  } catch {
    // A trap of a proxy, or a getter: what was thrown throws in its turn.
    return plainRetry(token, error, policy);
  }
}

/** The verdict that every store takes. */
export function plainRetry(token: FailedToken, error: string, policy: RetryPolicy): Verdict {
  const { jobId, attempt, failures } = token;
  const delayMs = backoffMs(failures + 1, policy, Math.random);
  return { jobId, attempt, as: "retry", delayMs, error };
}

/**
 * Any thrown value as text that a store takes, never throwing itself: at most 4,096 bytes, well formed, without U+0000. What
 * caused an error is told with it, and so are the errors of an AggregateError.
 */
export function errorText(thrown: unknown): string {
  const text = textWithCauses(thrown, new Set())
    .slice(0, maxErrorBytes)
    .replaceAll("\0", "\uFFFD")
    .toWellFormed();
  const { read } = encoder.encodeInto(text, new Uint8Array(maxErrorBytes));
  return text.slice(0, read);
}

/** Errors that one text tells of; more, and those in a circle, are left out. */
const maxTold = 16;

function textWithCauses(thrown: unknown, told: Set<unknown>): string {
  told.add(thrown);
  const untold = (part: unknown) => !told.has(part) && told.size < maxTold;
  const textOf = (part: unknown) => textWithCauses(part, told).trim();
  const { causes, errors } = partsOf(thrown);
  const cause = causes.filter(untold).map((part) => ` (cause: ${textOf(part)})`);
  const parts = errors.flatMap((part) => (untold(part) ? [textOf(part)] : []));
  return `${rawText(thrown)}${cause.join("")}${parts.length === 0 ? "" : ` (errors: ${parts.join("; ")})`}`;
}

/** What an error says of others. */
function partsOf(thrown: unknown): { causes: unknown[]; errors: unknown[] } {
  try {
    if (!(thrown instanceof Error)) return { causes: [], errors: [] };
    const errors: unknown = "errors" in thrown ? thrown.errors : [];
    const causes = thrown.cause === undefined ? [] : [thrown.cause];
    return { causes, errors: Array.isArray(errors) ? errors.slice(0, maxTold) : [] };
  } catch {
    // A getter that throws, or a trap of a proxy.
    return { causes: [], errors: [] };
  }
}

function rawText(thrown: unknown): string {
  try {
    const message: unknown = thrown instanceof Error ? thrown.message : "";
    return String(message === "" ? thrown : message);
  } catch {
    // An object without a prototype, or one whose toString throws.
    return `a value of type ${typeof thrown} was thrown`;
  }
}
