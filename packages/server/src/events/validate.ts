import { Code, ConnectError } from "@connectrpc/connect";
import type { EventRequest } from "@event-ingestion/api";
import { BadRequestSchema } from "@event-ingestion/api/error-details";
import { type Caps, type FieldViolation, findViolation, type NewEvent } from "@event-ingestion/store";
import { lastMs } from "./job-status.ts";
import { payloadMemory } from "./payload-memory.ts";

/** A field that breaks a rule, by its name in event.proto. */
export interface Violation {
  field: FieldViolation["field"] | "events" | "process_after";
  message: string;
}

/** The one rule whose violation is an outcome of the unary rpc, not an error. */
export const noEventId: Violation = { field: "event_id", message: "No event id received" };

/** Year 1 to 9999, the range of google.protobuf.Timestamp. */
const minSeconds = -62_135_596_800n;
const maxSeconds = 253_402_300_799n;

/** The rules and defaults for every event of a request. */
export interface EventRules {
  tenant: string;
  /** Attempts that its job gets. */
  maxAttempts: number;
  caps: Pick<Caps, "maxPayloadBytes">;
}

/** For each event what the store takes, or the first rule that it breaks. */
export function checkEvents(requests: readonly EventRequest[], rules: EventRules): (NewEvent | Violation)[] {
  const encode = sideBySide(requests.reduce((sum, { payload }) => sum + Buffer.byteLength(payload), 0));
  return requests.map((request) => checkEvent(request, encode(request.payload), rules));
}

/** Encodes texts as UTF-8 into one buffer of `bytes`. */
function sideBySide(bytes: number): (text: string) => Uint8Array {
  const buffer = payloadMemory(bytes);
  let end = 0;
  return (text) => {
    const start = end;
    end += buffer.write(text, start);
    return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
  };
}

function checkEvent(request: EventRequest, payload: Uint8Array, rules: EventRules): NewEvent | Violation {
  if (request.eventId === "") return noEventId;
  if (!request.payload.isWellFormed()) {
    return { field: "payload", message: "payload must be well-formed Unicode, got a lone surrogate" };
  }
  const event: NewEvent = {
    tenant: rules.tenant,
    eventId: request.eventId,
    type: request.type,
    payload,
    timestamp: request.timestamp,
    maxAttempts: rules.maxAttempts,
  };
  if (request.processAfter !== undefined) {
    const { seconds, nanos } = request.processAfter;
    if (seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos > 999_999_999) {
      const message = `process_after must be a google.protobuf.Timestamp, got ${seconds} s and ${nanos} ns`;
      return { field: "process_after", message };
    }
    // Rounded up: never before the instant that was asked for, but for the very last one.
    event.runAt = Math.min(Number(seconds) * 1000 + Math.ceil(nanos / 1_000_000), lastMs);
  }
  return findViolation(event, rules.caps) ?? event;
}

/** The error of a unary rpc for a request that breaks a rule. */
export function badRequest({ field, message }: { field: string; message: string }): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, [
    { desc: BadRequestSchema, value: { fieldViolations: [{ field, description: message }] } },
  ]);
}
