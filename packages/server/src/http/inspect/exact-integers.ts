import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { LongNumber } from "./json-scan.ts";

/**
 * Refuses JSON numbers that a 64-bit field cannot receive exactly: JSON numbers are doubles, here as in most programs. The
 * client should send them as strings.
 *
 * @throws ConnectError INVALID_ARGUMENT naming the field, from what is returned.
 */
export function refuseInexact(schema: DescMessage): LongNumber {
  const names = longNames(schema);
  return (text, field) => {
    const name = names.get(field);
    if (name === undefined || isExact(text)) return;
    const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text;
    const message = `${name} must be exact, and a JSON number is not: send ${shown} as a string, in quotes`;
    throw new ConnectError(message, Code.InvalidArgument);
  };
}

const known = new WeakMap<DescMessage, ReadonlyMap<string, string>>();

/** The proto names of all 64-bit fields in such a message, by the names that they have in JSON. */
function longNames(schema: DescMessage): ReadonlyMap<string, string> {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const names = new Map<string, string>();
  const seen = new Set<DescMessage>([schema]);
  // A set goes on to what is added while it is walked.
  for (const { fields } of seen) {
    for (const field of fields) {
      if (isLong(field)) names.set(field.jsonName, field.name).set(field.name, field.name);
      else if (field.message !== undefined && !isText(field.message)) seen.add(field.message);
    }
  }
  known.set(schema, names);
  return names;
}

const longs: ReadonlySet<ScalarType | undefined> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

function isLong({ scalar }: DescField): boolean {
  return longs.has(scalar);
}

/** A Timestamp or a Duration has 64-bit seconds, and yet is a text in JSON. */
function isText({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}

/** More digits than the largest double has. */
const maxDigits = 400;

/** Whether a double has the value of the text; also if it has none that is a whole number, which no integer field takes. */
function isExact(text: string): boolean {
  const double = Number(text);
  if (!Number.isInteger(double)) return true;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const shift = Number(exponent) - fraction.length;
  if (text.length > maxDigits || Math.abs(shift) > maxDigits) return false;
  const digits = BigInt(`${sign}${whole}${fraction}`);
  const power = 10n ** BigInt(Math.abs(shift));
  return shift < 0 ? digits === BigInt(double) * power : digits * power === BigInt(double);
}
