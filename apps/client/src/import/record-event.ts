import { createHash } from "node:crypto";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { EventRequestSchema } from "@event-ingestion/api";
import type { NewEvent } from "@event-ingestion/client";
import { parseExact } from "./exact-json.ts";
import type { FileRecord } from "./file-records.ts";

/** How a record becomes an event. */
export interface Mapping {
  /** Name of the file; part of the ids that are made. */
  file: string;
  /** Type of records that do not say theirs. */
  type: string;
  /** Fields to take the parts from; with one of them, no record is taken as an envelope. */
  fields: { type?: string; id?: string; payload?: string };
}

/** The rule in words, for --help. */
export const mappingHelp = `What a line becomes:
  With --type-field, --id-field or --payload-field each record must be an object. The named fields are the event's
  type, id and payload; without --payload-field the whole record is the payload. A record without the type field has
  the type of --type.
  Without them, an object that has "payload" and nothing beside it but "type", "event_id", "timestamp" (ms) and
  "process_after" (RFC 3339) is an event. Of any other record the whole is the payload, with the type of --type.
  A payload that is a string is sent as it is, anything else as JSON. The whole of a CSV record is a JSON object of
  strings by the names of the first line.
  Without an id of its own an event gets one made from the file's name, the line number, type and payload: sent again,
  it is a DUPLICATE and not stored twice. Two files of one name with the same line at the same place are the same
  event, too: if they are not, give ids.`;

/** The event of a record, or why it is none. */
export function toEvent(record: FileRecord, mapping: Mapping): NewEvent | { problem: string } {
  if ("problem" in record) return record;
  const event = describe(record.value, record, mapping);
  if ("problem" in event || event.eventId) return event;
  return { ...event, eventId: deriveId(record.line, event, mapping) };
}

type Content = FileRecord & { text: string };

function describe(
  value: JsonValue,
  record: Content,
  { fields, type }: Mapping,
): NewEvent | { problem: string } {
  if (Object.keys(fields).length > 0) {
    return isObject(value) ? fromFields(value, record, { fields, type }) : { problem: "must be an object" };
  }
  if (isObject(value) && isEnvelope(value)) return fromEnvelope(value, record, type);
  return { payload: record.text, type };
}

function fromFields(
  value: JsonObject,
  record: Content,
  { fields, type }: Pick<Mapping, "fields" | "type">,
): NewEvent | { problem: string } {
  const typeValue = fields.type === undefined ? type : (value[fields.type] ?? type);
  const id = fields.id === undefined ? undefined : (value[fields.id] ?? "");
  if (typeof typeValue === "object") return { problem: `field "${fields.type}" must be a text` };
  if (typeof id === "object") return { problem: `field "${fields.id}" must be a text or a number` };
  if (id === "") return { problem: `field "${fields.id}" must be an id, got nothing` };
  if (fields.payload !== undefined && value[fields.payload] === undefined) {
    return { problem: `field "${fields.payload}" is missing` };
  }
  const payload = fields.payload === undefined ? record.text : textOf(value, fields.payload, record);
  const eventId = id === undefined ? undefined : textOf(value, fields.id ?? "", record);
  return { payload, type: String(typeValue), ...(eventId !== undefined && { eventId }) };
}

const envelopeKeys = new Set(EventRequestSchema.fields.flatMap(({ name, jsonName }) => [name, jsonName]));

function isEnvelope(value: JsonObject): boolean {
  return value.payload !== undefined && Object.keys(value).every((key) => envelopeKeys.has(key));
}

function fromEnvelope(value: JsonObject, record: Content, type: string): NewEvent | { problem: string } {
  try {
    const {
      $typeName: _,
      $unknown: __,
      timestamp,
      ...event
    } = fromJson(EventRequestSchema, {
      ...value,
      payload: textOf(value, "payload", record),
    });
    const given = value.timestamp !== undefined && value.timestamp !== null;
    return { ...event, type: event.type || type, ...(given && { timestamp }) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** A string as it is, anything else as JSON with its numbers as they are written. */
function textOf(value: JsonObject, key: string, { text }: Content): string {
  const part = value[key];
  if (typeof part === "string") return part;
  const exact = parseExact(text);
  return JSON.stringify(isObject(exact) ? exact[key] : exact);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function deriveId(line: number, { type, payload }: NewEvent, { file }: Mapping): string {
  const content = JSON.stringify([file, line, type, payload]);
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}
