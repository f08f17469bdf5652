import { type Appended, type JobId, type Leased, type NewEvent, keptTrace } from "@event-ingestion/store";
import { type PlainEvent, plainTimestamp } from "../tables/plain-event.ts";

/**
 * Events as they cross threads: a column for each field, and all payloads in one piece. Copying a thousand small objects costs
 * more than twice as much.
 */
export interface EventColumns {
  tenants: string[];
  eventIds: string[];
  types: string[];
  timestamps: (number | string)[];
  maxAttempts: number[];
  runAts: (number | null)[];
  traces: (string | null)[];
  /** Where each payload ends. */
  ends: number[];
  payloads: Carried;
}

/** Bytes on their way to another thread: see `carry`. */
export type Carried = Uint8Array | string;

/** What a claim handed out. */
export interface LeasedColumns {
  jobIds: JobId[];
  attempts: number[];
  failures: number[];
  acceptedAts: number[];
  events: EventColumns;
}

/** The answer to an append. Nearly all events are accepted, so only the others are listed. */
export interface AppendedColumns {
  jobIds: JobId[];
  duplicates: number[];
  conflicts: number[];
}

/** Columns without events, for payloads that are already in one piece. */
export function columnsOver(payloads: Carried): EventColumns {
  return {
    tenants: [],
    eventIds: [],
    types: [],
    timestamps: [],
    maxAttempts: [],
    runAts: [],
    traces: [],
    ends: [],
    payloads,
  };
}

/** Adds an event whose payload ends there. */
export function pushEvent(columns: EventColumns, event: Omit<PlainEvent, "payload">, end: number): void {
  columns.tenants.push(event.tenant);
  columns.eventIds.push(event.eventId);
  columns.types.push(event.type);
  columns.timestamps.push(event.timestamp);
  columns.maxAttempts.push(event.maxAttempts);
  columns.runAts.push(event.runAt);
  columns.traces.push(event.trace);
  columns.ends.push(end);
}

/** Events of a batch as columns. */
export function packEvents(batch: readonly NewEvent[]): EventColumns {
  const columns = columnsOver(carry(batch.map(({ payload }) => payload)));
  let end = 0;
  for (const event of batch) {
    const { tenant, eventId, type, maxAttempts, runAt = null } = event;
    const timestamp = plainTimestamp(event.timestamp);
    const trace = keptTrace(event.trace);
    end += event.payload.byteLength;
    pushEvent(columns, { tenant, eventId, type, timestamp, maxAttempts, runAt, trace }, end);
  }
  return columns;
}

/** The events from one place up to another, or to the end. */
export function unpackEvents(
  columns: EventColumns,
  from = 0,
  to: number = columns.ends.length,
): PlainEvent[] {
  const events: PlainEvent[] = [];
  const payloads = bytesOf(columns.payloads);
  for (let index = from; index < Math.min(to, columns.ends.length); index++) {
    events.push({
      tenant: columns.tenants[index] ?? "",
      eventId: columns.eventIds[index] ?? "",
      type: columns.types[index] ?? "",
      timestamp: columns.timestamps[index] ?? 0,
      maxAttempts: columns.maxAttempts[index] ?? 0,
      runAt: columns.runAts[index] ?? null,
      trace: columns.traces[index] ?? null,
      payload: payloads.subarray(columns.ends[index - 1] ?? 0, columns.ends[index]),
    });
  }
  return events;
}

/** Size of shared pieces of memory. Small, because a long running job keeps the whole piece alive. */
const maxSharedBytes = 256 * 1024;

/** Leased jobs from their columns. */
export function unpackLeased({ jobIds, attempts, failures, acceptedAts, events }: LeasedColumns): Leased[] {
  const isShared = events.payloads.length <= maxSharedBytes;
  return unpackEvents(events).map((event, index) => {
    const { tenant, eventId, type, maxAttempts, trace } = event;
    const payload = isShared ? event.payload : event.payload.slice();
    const timestamp = BigInt(event.timestamp);
    return {
      jobId: jobIds[index] ?? "",
      attempt: attempts[index] ?? 0,
      failures: failures[index] ?? 0,
      acceptedAt: acceptedAts[index] ?? 0,
      event: { tenant, eventId, type, payload, timestamp, maxAttempts, ...(trace !== null && { trace }) },
    };
  });
}

/** Answers of an append as columns. */
export function packAppended(appended: readonly Appended[]): AppendedColumns {
  const placesOf = (outcome: Appended["outcome"]) =>
    appended.flatMap((answer, index) => (answer.outcome === outcome ? [index] : []));
  return {
    jobIds: appended.map(({ jobId }) => jobId),
    duplicates: placesOf("DUPLICATE"),
    conflicts: placesOf("CONFLICT"),
  };
}

/** Answers of an append from their columns. */
export function unpackAppended({ jobIds, duplicates, conflicts }: AppendedColumns): Appended[] {
  const appended = jobIds.map((jobId): Appended => ({ outcome: "ACCEPTED", jobId }));
  for (const index of duplicates) appended[index] = { outcome: "DUPLICATE", jobId: jobIds[index] ?? "" };
  for (const index of conflicts) appended[index] = { outcome: "CONFLICT", jobId: jobIds[index] ?? "" };
  return appended;
}

/** Larger pieces are not copied into a text: the copy would cost more than memory outside of the heap. */
const maxCarriedAsText = 64 * 1024;

/**
 * The bytes of all parts, in the form that is cheapest to send. Few bytes go as text, one character per byte: an ArrayBuffer in
 * every message is memory outside of the heap, and V8 then collects the old generation, and the young one with it, ten times as
 * often. That cost a third of a call.
 */
function carry(parts: readonly Uint8Array[]): Carried {
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > maxCarriedAsText) return joined(parts);
  return Buffer.concat(parts, bytes).toString("latin1");
}

/** The bytes that were sent. */
function bytesOf(carried: Carried): Uint8Array {
  return typeof carried === "string" ? Buffer.from(carried, "latin1") : carried;
}

/** The parts in one piece of memory of its own: sending a view would send the whole memory under it. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.byteLength;
  }
  return whole;
}
