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
  return stamped(envelope(toBinary(EventRequestSchema, event())));
}

/** Calls of IngestBatch with `size` events, each with an event_id of its own. */
export function batchRequests(size: number, envelope: Envelope): Requests {
  const events = Array.from({ length: size }, event);
  return stamped(envelope(toBinary(IngestBatchRequestSchema, create(IngestBatchRequestSchema, { events }))));
}

/** Calls of GetStatus that go round `jobIds` in a scattered order. */
export function statusRequests(jobIds: readonly string[], envelope: Envelope): Requests {
  const messages = jobIds.map((jobId) =>
    envelope(toBinary(StatusRequestSchema, create(StatusRequestSchema, { jobId }))),
  );
  // A prime stride visits every id before it repeats one, unless their number is a multiple of it.
  let next = 0;
  return () => messages[(next += 7919) % messages.length] ?? Buffer.alloc(0);
}

// As long as the ids that are written over it, and found nowhere else in a request.
const placeholder = "~".repeat(36);

function event(): EventRequest {
  return create(EventRequestSchema, { eventId: placeholder, payload, timestamp: 1_764_000_000_000n });
}

/** Copies of the template with new ids, as the client of this project makes them: encoding costs one copy. */
function stamped(template: Buffer): Requests {
  const places: number[] = [];
  for (let at = template.indexOf(placeholder); at >= 0; at = template.indexOf(placeholder, at + 36)) {
    places.push(at);
  }
  return () => {
    const request = Buffer.from(template);
    for (const place of places) request.write(randomUUIDv7(), place, "latin1");
    return request;
  };
}
