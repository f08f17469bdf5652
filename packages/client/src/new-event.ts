import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type EventRequest, EventRequestSchema } from "@event-ingestion/api";
import { v7 as uuidv7 } from "uuid";

/**
 * An event to send: the fields of event.EventRequest, of which only `payload` must be given. Without an `eventId` (or
 * with an empty one) the client makes a UUIDv7; without a `timestamp` it is now, in ms since 1970.
 */
export type NewEvent = MessageInitShape<typeof EventRequestSchema> & { payload: string };

/** A message of its own: the caller's object stays as it is. */
export function toRequest(event: NewEvent): EventRequest {
  return create(EventRequestSchema, {
    ...event,
    eventId: event.eventId || uuidv7(),
    timestamp: event.timestamp ?? BigInt(Date.now()),
  });
}

/** Why an event cannot be sent as it is: encoding would replace what is not Unicode. */
export function findProblem({ eventId, type, payload }: EventRequest): string | undefined {
  const field = Object.entries({ event_id: eventId, type, payload }).find(([, text]) => !text.isWellFormed());
  return field && `${field[0]} must be well-formed Unicode, got a lone surrogate`;
}

const utf8 = new TextEncoder();

/** Bytes that an event takes in a request, rounded up. */
export function requestBytes({ eventId, type, payload }: EventRequest): number {
  // timestamp, process_after, tags and lengths are at most 53 bytes; a UTF-16 unit is at most 3 bytes of UTF-8.
  return utf8.encode(payload).byteLength + 3 * (eventId.length + type.length) + 64;
}
