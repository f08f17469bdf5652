import { createHash } from "node:crypto";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { EventRequestSchema } from "@event-ingestion/api";
import type { NewEvent } from "@event-ingestion/client";
import type { FileRecord } from "./records/file-record.ts";
import { membersOf, textOf } from "./json-members.ts";

/** How a record becomes an event. */
export interface Mapping {
  /** Name of the input; part of the ids that are made. */
  name: string;
  /** Type of records that do not say theirs. */
  type: string;
  /** Fields to take the parts from; with one of them, no record is taken as an envelope. */
  fields: { type?: string; id?: string; payload?: string };
}

/** The rule in words, for --help. */
export const mappingHelp = `What a record becomes:
  With --type-field, --id-field or --payload-field each record must be an object. The named fields are the event's
  type, id and payload; without --payload-field the whole record is the payload. A record without the type field has
  the type of --type. A field that none of the first 1,000 records has is refused before anything is sent.
  Without these options, an object with "payload", and with no other keys than "type", "event_id", "timestamp" (ms) and
  "process_after" (RFC 3339), is an event. Any other record as a whole is the payload, with the type of --type.
  A payload that is a string is sent as it is, any other payload as the JSON text in the file. A whole CSV record is a
  JSON object of strings, with the names of the first line as keys.

Ids of events:
  An event without an id gets one, made from the name of the file, the place of the record in it, type and payload.
  Sending the same file again stores nothing twice: its events are DUPLICATE. The same record at the same place in two
  files of one name is one event, too; if it should be two, give each file a --name, or give the records ids.
  Stdin and pipes have no name. Without --name each run is a new input, and sending it again stores it again; a run that
  stops early says with which --name it can be repeated.`;

/** The event of a record, or why it is none. */
export function toEvent(record: FileRecord, mapping: Mapping): NewEvent | { problem: string } {
  if ("problem" in record) return record;
  const event = describe(record.value, record, mapping);
  if ("problem" in event || event.eventId) return event;
  return { ...event, eventId: deriveId(record.place, event, mapping) };
}

type Content = FileRecord & { text: string };

function describe(
  value: JsonValue,
  record: Content,
  { fields, type }: Mapping,
): NewEvent | { problem: string } {
  if (Object.keys(fields).length > 0) {
    return isObject(value) ? fromFields(record, { fields, type }) : { problem: "must be an object" };
  }
  if (isObject(value) && isEnvelope(value)) return fromEnvelope(value, record, type);
  return { payload: record.text, type };
}

function fromFields(
  { text }: Content,
  { fields, type }: Pick<Mapping, "fields" | "type">,
): NewEvent | { problem: string } {
  const sources = sourcesOf(text, Object.values(fields));
  if ("problem" in sources) return sources;
  const sourceOf = (name: string | undefined) => (name === undefined ? undefined : sources.get(name));
  const [typeSource, idSource, payloadSource] = [fields.type, fields.id, fields.payload].map(sourceOf);
  if (isNested(typeSource)) return { problem: `field "${fields.type}" must be a text` };
  if (isNested(idSource)) return { problem: `field "${fields.id}" must be a text or a number` };
  const eventId = isNothing(idSource) ? "" : textOf(idSource);
  if (fields.id !== undefined && eventId === "") {
    return { problem: `field "${fields.id}" must be an id, got nothing` };
  }
  if (fields.payload !== undefined && payloadSource === undefined) {
    return { problem: `field "${fields.payload}" is missing` };
  }
  return {
    payload: payloadSource === undefined ? text : textOf(payloadSource),
    type: isNothing(typeSource) ? type : textOf(typeSource),
    ...(eventId !== "" && { eventId }),
  };
}

/** Null is a payload, but neither an id nor a type. */
function isNothing(source: string | undefined): source is undefined | "null" {
  return source === undefined || source === "null";
}

const envelopeKeys = EventRequestSchema.fields.flatMap(({ name, jsonName }) => [name, jsonName]);

function isEnvelope(value: JsonObject): boolean {
  return value.payload !== undefined && Object.keys(value).every((key) => envelopeKeys.includes(key));
}

function fromEnvelope(value: JsonObject, { text }: Content, type: string): NewEvent | { problem: string } {
  const sources = sourcesOf(text, envelopeKeys);
  if ("problem" in sources) return sources;
  const timestamp = integerOf(sources.get("timestamp"));
  if (typeof timestamp === "object") return timestamp;
  try {
    const {
      $typeName: _,
      $unknown: __,
      timestamp: sentAt,
      ...event
    } = fromJson(EventRequestSchema, {
      ...value,
      payload: typeof value.payload === "string" ? value.payload : (sources.get("payload") ?? ""),
      ...(timestamp !== undefined && { timestamp }),
    });
    const given = value.timestamp !== undefined && value.timestamp !== null;
    return { ...event, type: event.type || type, ...(given && { timestamp: sentAt }) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The values of some keys as they are written, or the key that comes twice. */
function sourcesOf(text: string, keys: readonly string[]): Map<string, string> | { problem: string } {
  const members = membersOf(text).filter(([key]) => keys.includes(key));
  const sources = new Map(members);
  if (sources.size === members.length) return sources;
  const twice = members.find(([key], at) => members.findIndex((member) => member[0] === key) < at);
  return { problem: `field "${twice?.[0]}" is there twice` };
}

/** A number as text, which keeps what is above 2^53 exact; undefined if there is none. */
function integerOf(source: string | undefined): string | undefined | { problem: string } {
  if (source === undefined || !/^[-\d]/.test(source)) return undefined;
  const [, integer] = /^(-?\d+)(?:\.0+)?$/.exec(source) ?? [];
  return integer ?? { problem: `timestamp must be a whole number of ms, written in digits, got ${source}` };
}

function isNested(source: string | undefined): boolean {
  return source !== undefined && /^[{[]/.test(source);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function deriveId(place: number, { type, payload }: NewEvent, { name }: Mapping): string {
  const content = JSON.stringify([name, place, type, payload]);
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}
