import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** What a message in binary holds. */
export interface BinaryShape {
  /** Fields of all messages in it, known or not; the elements of a packed list count one each. */
  fields: number;
  /** Occurrences of the field that was asked for, in the outermost message. */
  elements: number;
}

/** How the value of a known field is read. protobuf-es goes by the schema and never looks at the wire type. */
type Reader = "varint" | "fixed32" | "fixed64" | "bytes" | Message;

interface Message {
  fields: ReadonlyMap<number, Known>;
}

interface Known {
  reader: Reader;
  /** A list that may be packed. */
  packable: boolean;
  /** A message between two tags instead of behind a length. */
  group: boolean;
}

/** protobuf-es gives up at a depth of 100, in which entries of maps do not count. */
const maxDepth = 200;

/**
 * Reads a message as protobuf-es reads it, byte for byte, without making anything of it. Where protobuf-es gives up, so
 * does this, with what has been read so far. Cheaper rules do not hold: a field in an element may reach beyond the end
 * of the element, and then protobuf-es goes on behind the field.
 */
export function walkBinary(bytes: Uint8Array, schema: DescMessage, elementNumber: number): BinaryShape {
  const walk = new Walk(bytes, elementNumber);
  try {
    walk.message(messageOf(schema), bytes.length, 1);
  } catch (error) {
    if (error !== malformed) throw error;
  }
  return walk;
}

/** Thrown where protobuf-es would throw. One for all, as errors are dear. */
const malformed = new Error("malformed message");

class Walk implements BinaryShape {
  fields = 0;
  elements = 0;
  readonly #bytes: Uint8Array;
  readonly #elementNumber: number;
  #at = 0;

  constructor(bytes: Uint8Array, elementNumber: number) {
    this.#bytes = bytes;
    this.#elementNumber = elementNumber;
  }

  /** Up to `end`, or beyond it if its last field is longer. */
  message({ fields }: Message, end: number, depth: number): void {
    if (depth > maxDepth) throw malformed;
    while (this.#at < end) {
      const tag = this.#tag();
      if (depth === 1 && tag >>> 3 === this.#elementNumber) this.elements++;
      this.#field(fields, tag, depth);
    }
  }

  /** Up to the tag that ends the group. */
  #group({ fields }: Message, number: number, depth: number): void {
    if (depth > maxDepth) throw malformed;
    for (;;) {
      const tag = this.#tag();
      if ((tag & 7) === endGroup) {
        if (tag >>> 3 !== number) throw malformed;
        return;
      }
      this.#field(fields, tag, depth);
    }
  }

  #field(fields: Message["fields"], tag: number, depth: number): void {
    this.fields++;
    const number = tag >>> 3;
    const known = fields.get(number);
    if (known === undefined) this.#unknown(tag & 7, number, depth);
    else if (known.group && typeof known.reader === "object") this.#group(known.reader, number, depth + 1);
    else if (known.packable && (tag & 7) === lengthDelimited) this.#packed(known.reader, depth);
    else this.#value(known.reader, depth);
  }

  #packed(reader: Reader, depth: number): void {
    const end = this.#varint() + this.#at;
    for (; this.#at < end; this.fields++) this.#value(reader, depth);
  }

  #value(reader: Reader, depth: number): void {
    if (reader === "varint") this.#varint();
    else if (reader === "bytes") this.#skip(this.#varint());
    else if (reader === "fixed64") this.#skip(8);
    else if (reader === "fixed32") this.#skip(4);
    else {
      const length = this.#varint();
      this.message(reader, this.#at + length, depth + 1);
    }
  }

  #unknown(wireType: number, number: number, depth: number): void {
    if (wireType === 0) this.#endlessVarint();
    else if (wireType === 1) this.#skip(8);
    else if (wireType === lengthDelimited) this.#skip(this.#varint());
    else if (wireType === startGroup) this.#group(nothing, number, depth + 1);
    else if (wireType === 5) this.#skip(4);
    else throw malformed;
  }

  #tag(): number {
    const start = this.#at;
    const tag = this.#varint();
    const length = this.#at - start;
    const overflows = length > 5 || (length === 5 && (this.#bytes[this.#at - 1] ?? 0) > 0x0f);
    if (overflows || tag >>> 3 === 0 || (tag & 7) > 5) throw malformed;
    return tag;
  }

  /** The last 32 bits of a varint, of 10 bytes at most. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed;
      if (shift < 35) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed;
  }

  #endlessVarint(): void {
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed;
      if (byte < 0x80) return;
    }
  }

  #skip(length: number): void {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw malformed;
  }
}

const lengthDelimited = 2;
const startGroup = 3;
const endGroup = 4;
const nothing: Message = { fields: new Map() };

const messages = new WeakMap<DescMessage, Message>();

function messageOf(schema: DescMessage): Message {
  const before = messages.get(schema);
  if (before !== undefined) return before;
  const fields = new Map<number, Known>();
  const message = { fields };
  // Before its fields, which may be messages of the same type.
  messages.set(schema, message);
  for (const field of schema.fields) fields.set(field.number, knownOf(field));
  return message;
}

function knownOf(field: DescField): Known {
  const reader = readerOf(field);
  const packable = field.fieldKind === "list" && typeof reader === "string" && reader !== "bytes";
  const group = "delimitedEncoding" in field && field.delimitedEncoding;
  return { reader, packable, group };
}

function readerOf(field: DescField): Reader {
  if (field.fieldKind === "map") return entryOf(field);
  if (field.message !== undefined) return messageOf(field.message);
  return scalarReader(field.scalar);
}

/** An entry of a map is a message of two fields. */
function entryOf(field: DescField & { fieldKind: "map" }): Message {
  const value = field.message === undefined ? scalarReader(field.scalar) : messageOf(field.message);
  return {
    fields: new Map([
      [1, singular(scalarReader(field.mapKey))],
      [2, singular(value)],
    ]),
  };
}

function singular(reader: Reader): Known {
  return { reader, packable: false, group: false };
}

/** An enum has no scalar. */
function scalarReader(scalar: ScalarType | undefined): Reader {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "bytes";
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return "fixed64";
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return "fixed32";
    default:
      return "varint";
  }
}
