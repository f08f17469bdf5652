import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";

/** How many elements a repeated message field may have. */
export interface ElementLimit {
  field: DescField;
  max: number;
  /** The answer to a message with more. */
  refuse: (got: number) => ConnectError;
}

/** Looks at a message before it is decoded. @throws ConnectError for one that must not be. */
export type Inspect = (message: Uint8Array, of: { schema: DescMessage; json: boolean }) => void;

/**
 * Counts elements without decoding them: to decode a message that has nothing but empty ones takes hundreds of times
 * its size. In JSON the objects of all arrays of the message are counted, whatever their names.
 */
export function inspectElements(limits: readonly ElementLimit[]): Inspect {
  const byMessage = Map.groupBy(limits, ({ field }) => field.parent.typeName);
  return (message, { schema, json }) => {
    for (const { field, max, refuse } of byMessage.get(schema.typeName) ?? []) {
      const count = json ? countJsonElements(message) : countElements(message, field.number);
      if (count > max) throw refuse(count);
    }
  };
}

/** As far as the message is well formed. */
function countElements(message: Uint8Array, number: number): number {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < message.length; scale *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  let count = 0;
  while (at < message.length) {
    const tag = varint();
    if (Math.floor(tag / 8) === number) count++;
    const wireType = tag % 8;
    if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = varint();
      at += length;
    }
  }
  return count;
}

/** The objects that begin in an array of the outermost object. */
function countJsonElements(message: Uint8Array): number {
  let count = 0;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < message.length; at++) {
    const byte = message[at];
    if (byte === backslash) at++;
    else if (byte === quote) quoted = !quoted;
    else if (quoted) continue;
    else if (byte === openBrace || byte === openBracket) {
      if (byte === openBrace && depth === 2) count++;
      depth++;
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  return count;
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = Buffer.from('"\\{}[]');
