import { isUtf8 } from "node:buffer";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { walkBinary } from "./binary-walk.ts";
import { refuseInexact } from "./exact-integers.ts";
import { scanJson } from "./json-scan.ts";

/** How many elements a repeated message field may have. */
export interface ElementLimit {
  field: DescField;
  max: number;
  /** The answer to a message with more. */
  refuse: (got: number) => ConnectError;
}

/** The limits that messages must keep before they are decoded. */
export interface MessageLimits {
  /** At most one for a type of message. */
  elements?: readonly ElementLimit[];
  /** The size of every message of a type that is not in `large`, in bytes. Default: only `readMaxBytes` counts. */
  maxSmallBytes?: number;
  /** Types of messages that may be as large as `readMaxBytes`. */
  large?: readonly DescMessage[];
}

/** Looks at a message before it is decoded. @throws ConnectError for one that must not be. */
export type Inspect = (message: Uint8Array, of: { schema: DescMessage; json: boolean }) => void;

/**
 * Values, or fields, of all levels of one message. The decoder takes up to 4 us for each, and nothing else is done
 * meanwhile. The largest message that means anything has 1,000 elements of eight fields.
 */
const maxValues = 20_000;

/** Levels of objects and arrays in JSON: more than any message has, and few enough for what is recursive. */
const maxDepth = 32;

/** Takes at least so many bytes: tag and value, or a value and its comma. */
const minValueBytes = 2;

/**
 * Time and memory of decoding grow with the number of values in a message, not with its bytes: a million empty elements take
 * hundreds of times their size. So the values are counted first. JSON is also checked for bytes that are not UTF-8 and for
 * numbers that a double cannot hold, because the decoder would repair them silently.
 */
export function inspectMessages({ elements = [], maxSmallBytes, large = [] }: MessageLimits): Inspect {
  const elementLimits = new Map(elements.map((limit) => [limit.field.parent, limit]));
  const largeSchemas = new Set(large);

  return (message, { schema, json }) => {
    const { length } = message;
    if (maxSmallBytes !== undefined && length > maxSmallBytes && !largeSchemas.has(schema))
      throw tooMuch(schema, { what: "bytes", max: maxSmallBytes, got: length });
    const limit = elementLimits.get(schema);
    if (json) return inspectJson(message, schema, limit);
    // Most messages are small and have no limit, and are not looked at.
    if (limit === undefined && length <= maxValues * minValueBytes) return;
    const shape = walkBinary(message, schema, limit?.field.number ?? 0);
    checkElements(shape.elements, limit);
    if (shape.fields > maxValues)
      throw tooMuch(schema, { what: "fields", max: maxValues, got: shape.fields });
  };
}

function inspectJson(message: Uint8Array, schema: DescMessage, limit: ElementLimit | undefined): void {
  if (!isUtf8(message)) throw notUtf8(schema);
  const { values, depth, elements } = scanJson(message, refuseInexact(schema));
  checkElements(elements, limit);
  if (values > maxValues) throw tooMuch(schema, { what: "values", max: maxValues, got: values });
  if (depth > maxDepth) throw tooMuch(schema, { what: "levels", max: maxDepth, got: depth });
}

function checkElements(got: number, limit: ElementLimit | undefined): void {
  if (limit !== undefined && got > limit.max) throw limit.refuse(got);
}

function tooMuch(schema: DescMessage, { what, max, got }: { what: string; max: number; got: number }) {
  const message = `${schema.typeName} must be at most ${max} ${what}, got ${got}`;
  return new ConnectError(message, Code.InvalidArgument);
}

/** For text that is not UTF-8, wherever it comes from. */
export function notUtf8({ typeName }: DescMessage): ConnectError {
  return new ConnectError(`${typeName} must be JSON in UTF-8, got other bytes`, Code.InvalidArgument);
}
