import { Code, ConnectError } from "@connectrpc/connect";
import type { EventRequest } from "@event-ingestion/api";
import { BadRequestSchema } from "@event-ingestion/api/error-details";
import { type Caps, type FieldViolation, findViolation, type NewEvent } from "@event-ingestion/store";

/** A field that breaks a rule, by its name in event.proto. */
export interface Violation {
  field: FieldViolation["field"] | "events" | "process_after";
  message: string;
}

/** Either what the store takes, or the first rule that the event breaks. */
export type Checked = { event: NewEvent } | { violation: Violation };

/** Year 1 to 9999, the range of google.protobuf.Timestamp. */
const minSeconds = -62_135_596_800n;
const maxSeconds = 253_402_300_799n;

/** Turns the event of a request into the store's. */
export function checkEvent(
  request: EventRequest,
  rules: { tenant: string; maxAttempts: number; caps: Pick<Caps, "maxPayloadBytes"> },
): Checked {
  if (!request.payload.isWellFormed()) {
    return {
      violation: { field: "payload", message: "payload must be well-formed Unicode, got a lone surrogate" },
    };
  }
  const event: NewEvent = {
    tenant: rules.tenant,
    eventId: request.eventId,
    type: request.type,
    payload: Buffer.from(request.payload),
    timestamp: request.timestamp,
    maxAttempts: rules.maxAttempts,
  };
  if (request.processAfter !== undefined) {
    const { seconds, nanos } = request.processAfter;
    if (seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos > 999_999_999) {
      const message = `process_after must be a google.protobuf.Timestamp, got ${seconds} s and ${nanos} ns`;
      return { violation: { field: "process_after", message } };
    }
    // Rounded up: never before the instant that was asked for.
    event.runAt = Number(seconds) * 1000 + Math.ceil(nanos / 1_000_000);
  }
  const violation = findViolation(event, rules.caps);
  return violation === undefined ? { event } : { violation };
}

/** The error of a unary rpc for a request that breaks a rule. */
export function badRequest({ field, message }: { field: string; message: string }): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, [
    { desc: BadRequestSchema, value: { fieldViolations: [{ field, description: message }] } },
  ]);
}
