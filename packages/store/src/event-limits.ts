import type { Caps, NewEvent } from "./job-store.ts";
import { invalid } from "./store-error.ts";

/** Bytes of UTF-8 in an event id, a type or a tenant. */
export const maxKeyBytes = 128;

/** A field of an event that breaks a rule. `message` names field, limit and what was got. */
export interface FieldViolation {
  field: "event_id" | "type" | "payload" | "tenant" | "timestamp" | "max_attempts";
  message: string;
}

/** The first rule that the event breaks, or undefined if a store takes it. */
export function findViolation(
  event: NewEvent,
  caps: Pick<Caps, "maxPayloadBytes">,
): FieldViolation | undefined {
  if (event.eventId === "") return { field: "event_id", message: "event_id must not be empty" };
  return (
    keyViolation("event_id", event.eventId) ??
    keyViolation("type", event.type) ??
    keyViolation("tenant", event.tenant) ??
    payloadViolation(event.payload.byteLength, caps.maxPayloadBytes) ??
    numberViolation(event)
  );
}

/** @throws StoreError notApplied/invalid naming the first rule that an event, or the batch as a whole, breaks. */
export function checkBatch(
  batch: readonly NewEvent[],
  caps: Pick<Caps, "maxBatch" | "maxBatchBytes" | "maxPayloadBytes">,
): void {
  if (batch.length > caps.maxBatch) {
    throw invalid(`a batch has at most ${caps.maxBatch} events, got ${batch.length}`);
  }
  let bytes = 0;
  for (const [index, event] of batch.entries()) {
    const violation = findViolation(event, caps);
    if (violation !== undefined) throw invalid(`event ${index}: ${violation.message}`);
    if (event.runAt !== undefined && !Number.isSafeInteger(Math.ceil(event.runAt))) {
      throw invalid(`event ${index}: run_at must be milliseconds since 1970, got ${event.runAt}`);
    }
    bytes += event.payload.byteLength;
  }
  if (bytes > caps.maxBatchBytes) {
    throw invalid(`a batch has at most ${caps.maxBatchBytes} bytes of payload, got ${bytes}`);
  }
}

/** A trace is a hint only: a malformed traceparent or tracestate is dropped, not refused. */
export function keptTrace(trace: string | undefined): string | null {
  return trace !== undefined && /^[\x20-\x7e]{1,512}$/.test(trace) ? trace : null;
}

function keyViolation(field: "event_id" | "type" | "tenant", value: string): FieldViolation | undefined {
  if (value.includes("\0")) return { field, message: `${field} must not contain U+0000` };
  if (!value.isWellFormed())
    return { field, message: `${field} must be well-formed Unicode, got a lone surrogate` };
  // A UTF-16 code unit is at most 3 bytes of UTF-8, so most values need no count.
  if (value.length * 3 <= maxKeyBytes) return undefined;
  const got = Buffer.byteLength(value);
  if (got <= maxKeyBytes) return undefined;
  return { field, message: `${field} must be at most ${maxKeyBytes} bytes, got ${got}` };
}

function payloadViolation(got: number, limit: number): FieldViolation | undefined {
  if (got <= limit) return undefined;
  return { field: "payload", message: `payload must be at most ${limit} bytes, got ${got}` };
}

function numberViolation({ timestamp, maxAttempts }: NewEvent): FieldViolation | undefined {
  if (BigInt.asIntN(64, timestamp) !== timestamp) {
    return { field: "timestamp", message: `timestamp must be an int64, got ${timestamp}` };
  }
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > 1000) {
    return {
      field: "max_attempts",
      message: `max_attempts must be a whole number from 1 to 1000, got ${maxAttempts}`,
    };
  }
  return undefined;
}
