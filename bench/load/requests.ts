import { randomUUIDv7 } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type EventRequest,
  EventRequestSchema,
  IngestBatchRequestSchema,
  StatusRequestSchema,
} from "@event-ingestion/api";
import { payload } from "../payload.ts";

/** The bytes of the next request. */
export type Requests = () => Buffer;

/** Puts a message into the envelope of a protocol. */
export type Envelope = (message: Uint8Array) => Buffer;

/** Calls of IngestEvent, each with an event_id of its own. */
export function eventRequests(envelope: Envelope): Requests {
  return stamped(envelope(toBinary(EventRequestSchema, event())), randomUUIDv7);
}

/** The same, but each event_id is the time: nanoseconds of the clock that all processes of the machine share. */
export function timedRequests(envelope: Envelope): Requests {
  return stamped(envelope(toBinary(EventRequestSchema, event())), timeId);
}

function timeId(): string {
  return process.hrtime.bigint().toString().padStart(placeholder.length, "0");
}

/** Calls of IngestBatch with `size` events, each with an event_id of its own. */
export function batchRequests(size: number, envelope: Envelope): Requests {
  const events = Array.from({ length: size }, event);
  const message = toBinary(IngestBatchRequestSchema, create(IngestBatchRequestSchema, { events }));
  return stamped(envelope(message), randomUUIDv7);
}

/** Calls of GetStatus that go round `jobIds` in a scattered order. */
export function statusRequests(jobIds: readonly string[], envelope: Envelope): Requests {
  const messages = jobIds.map((jobId) =>
    envelope(toBinary(StatusRequestSchema, create(StatusRequestSchema, { jobId }))),
  );
  // A prime stride visits every id before it repeats one, unless their number is a multiple of it.
  let next = 0;
  return () => Buffer.from(messages[(next += 7919) % messages.length] ?? []);
}

// As long as the ids that are written over it, and found nowhere else in a request.
const placeholder = "~".repeat(36);

function event(): EventRequest {
  return create(EventRequestSchema, { eventId: placeholder, payload, timestamp: 1_764_000_000_000n });
}

/** Copies of the template with new ids over the placeholders: encoding costs one copy. */
function stamped(template: Buffer, newId: () => string): Requests {
  const places: number[] = [];
  for (let at = template.indexOf(placeholder); at >= 0; at = template.indexOf(placeholder, at + 36)) {
    places.push(at);
  }
  return () => {
    const request = Buffer.from(template);
    for (const place of places) request.write(newId(), place, "latin1");
    return request;
  };
}
