import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { ProtoWriter } from "./proto-writer.ts";

/** The bytes of a message; undefined if protobuf-es has to encode it. */
export type Encode = (message: object) => Buffer | undefined;

type Fields = Readonly<Record<string, unknown>>;

/** Appends a field, or a value without its tag. False for what only protobuf-es can judge. */
type WriteField = (out: ProtoWriter, message: Fields) => boolean;
type WriteValue = (out: ProtoWriter, value: unknown) => boolean;

/**
 * Encodes as `toBinary` does, byte for byte, without its two ArrayBuffers for each message: Node allocates those outside
 * of its heap, which costs a small call a fifth of its time.
 *
 * Knows texts, bytes, booleans, integers and enums without explicit presence, and messages of such fields, single or
 * repeated; protobuf-es encodes all others.
 */
export function createEncoder(schema: DescMessage): Encode {
  const write = compileMessage(schema, new Map());
  return (message) => (write === undefined ? undefined : writer.encoded(write, message));
}

/** One for all: a message is encoded in one go. */
const writer = new ProtoWriter();

function compileMessage(schema: DescMessage, known: Map<DescMessage, WriteValue>): WriteValue | undefined {
  const fields: WriteField[] = [];
  const write: WriteValue = (out, value) => isOf(schema, value) && fields.every((field) => field(out, value));
  // Before its fields, which may be messages of the same type.
  known.set(schema, write);
  for (const field of schema.fields.toSorted((a, b) => a.number - b.number)) {
    const writeField = compileField(field, known);
    if (writeField === undefined) return undefined;
    fields.push(writeField);
  }
  return write;
}

/** A value of google.protobuf.Struct or of a wrapper is not, in a field. */
function isOf(schema: DescMessage, value: unknown): value is Fields {
  return (
    typeof value === "object" &&
    value !== null &&
    "$typeName" in value &&
    value.$typeName === schema.typeName &&
    !("$unknown" in value)
  );
}

function compileField(field: DescField, known: Map<DescMessage, WriteValue>): WriteField | undefined {
  const { localName: name, number, oneof } = field;
  if (oneof !== undefined) return undefined;
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const scalar = scalars.get(field.fieldKind === "enum" ? ScalarType.INT32 : field.scalar);
      if (scalar === undefined || field.presence !== FeatureSet_FieldPresence.IMPLICIT) return undefined;
      const tag = (number << 3) | scalar.wireType;
      return (out, message) => {
        const value = message[name];
        if (scalar.isZero(value)) return true;
        out.varint(tag);
        return scalar.write(out, value);
      };
    }
    case "message": {
      const write = compileChild(field, known);
      return write && ((out, message) => message[name] === undefined || write(out, message[name]));
    }
    case "list": {
      const write = field.listKind === "message" ? compileChild(field, known) : undefined;
      return (
        write &&
        ((out, message) => {
          const items = message[name];
          return Array.isArray(items) && items.every((item) => write(out, item));
        })
      );
    }
    case "map":
      return undefined;
  }
}

/** A message in another one, with its tag and its length. */
function compileChild(
  field: DescField & { message: DescMessage; delimitedEncoding: boolean },
  known: Map<DescMessage, WriteValue>,
): WriteValue | undefined {
  const { message, number, delimitedEncoding } = field;
  if (delimitedEncoding) return undefined;
  const write = known.get(message) ?? compileMessage(message, known);
  const tag = (number << 3) | lengthDelimited;
  return (
    write &&
    ((out, value) => {
      out.varint(tag);
      const start = out.open();
      if (!write(out, value)) return false;
      out.close(start);
      return true;
    })
  );
}

interface Scalar {
  wireType: number;
  isZero: (value: unknown) => boolean;
  write: WriteValue;
}

const varint = 0;
const lengthDelimited = 2;

const scalars: ReadonlyMap<ScalarType, Scalar> = new Map<ScalarType, Scalar>([
  [
    ScalarType.STRING,
    {
      wireType: lengthDelimited,
      isZero: (value) => value === "",
      write: (out, value) => typeof value === "string" && out.text(value),
    },
  ],
  [
    ScalarType.BYTES,
    {
      wireType: lengthDelimited,
      isZero: (value) => value instanceof Uint8Array && value.length === 0,
      write: (out, value) => value instanceof Uint8Array && out.bytes(value),
    },
  ],
  [
    ScalarType.BOOL,
    {
      wireType: varint,
      isZero: (value) => value === false,
      write: (out, value) => value === true && out.varint(1),
    },
  ],
  [ScalarType.INT32, integer(-(2 ** 31), 2 ** 31 - 1)],
  [ScalarType.UINT32, integer(0, 2 ** 32 - 1)],
  [ScalarType.INT64, bigInteger((value) => BigInt.asIntN(64, value))],
  [ScalarType.UINT64, bigInteger((value) => BigInt.asUintN(64, value))],
]);

function integer(min: number, max: number): Scalar {
  const isInteger = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
  return {
    wireType: varint,
    isZero: (value) => value === 0,
    write: (out, value) => isInteger(value) && (value < 0 ? out.bigVarint(BigInt(value)) : out.varint(value)),
  };
}

function bigInteger(fit: (value: bigint) => bigint): Scalar {
  return {
    wireType: varint,
    isZero: (value) => value === 0n,
    write: (out, value) => typeof value === "bigint" && fit(value) === value && out.bigVarint(value),
  };
}
