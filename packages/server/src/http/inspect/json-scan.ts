/** What a message in JSON holds, as far as it is well formed. */
export interface JsonShape {
  /** Values of objects and arrays, these included; one more for each that is empty. */
  values: number;
  /** How deep objects and arrays are nested. */
  depth: number;
  /** Objects that are elements of arrays of the outermost object, whatever the names of these. */
  elements: number;
}

/** Told of a number that a double may not hold: its text, and the name of its field, or of the field of its array. */
export type LongNumber = (text: string, field: string) => void;

/** Looks at a message without making anything of it. */
export function scanJson(message: Uint8Array, longNumber: LongNumber): JsonShape {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const shape: JsonShape = { values: 0, depth: 0, elements: 0 };
  let depth = 0;
  let inArray = false;
  let name = { start: 0, end: 0 };
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) {
      name = { start: at, end: endOfText(bytes, at) };
      at = name.end;
    } else if (byte === comma) shape.values++;
    else if (byte === openBrace || byte === openBracket) {
      if (byte === openBrace && depth === 2 && inArray) shape.elements++;
      shape.values++;
      depth++;
      if (depth === 2) inArray = byte === openBracket;
      if (depth > shape.depth) shape.depth = depth;
    } else if (byte === closeBrace || byte === closeBracket) depth--;
    else if (byte === minus || (byte >= zero && byte <= nine)) {
      const end = endOfNumber(bytes, at);
      if (mayBeInexact(bytes, at, end))
        longNumber(bytes.toString("latin1", at, end), textOf(bytes.subarray(name.start, name.end + 1)));
      at = end - 1;
    }
  }
  return shape;
}

/** Up to so many bytes, a loop is faster than a search. */
const nearBytes = 64;

/** The place of the quote that ends the text that begins at `start`. */
function endOfText(bytes: Buffer, start: number): number {
  const near = Math.min(bytes.length, start + nearBytes);
  let from = start + 1;
  for (; from < near; from++) {
    if (bytes[from] === quote) return from;
    if (bytes[from] === backslash) from++;
  }
  for (let end = bytes.indexOf(quote, from); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (end - escapes > from && bytes[end - escapes - 1] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}

function endOfNumber(bytes: Buffer, start: number): number {
  let end = start + 1;
  while (isNumeric(bytes[end] ?? 0)) end++;
  return end;
}

/** A double holds every whole number of 15 digits. */
function mayBeInexact(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > 15) return true;
  for (let at = start; at < end; at++) if (isExponent(bytes[at] ?? 0)) return true;
  return false;
}

function isNumeric(byte: number): boolean {
  return (
    (byte >= zero && byte <= nine) || isExponent(byte) || byte === dot || byte === plus || byte === minus
  );
}

function isExponent(byte: number): boolean {
  return byte === smallE || byte === largeE;
}

/** The text in quotes, or nothing if it is malformed. */
function textOf(quoted: Buffer): string {
  try {
    const text: unknown = JSON.parse(quoted.toString());
    return typeof text === "string" ? text : "";
  } catch {
    return "";
  }
}

const [quote = 0, backslash, comma, openBrace, openBracket, closeBrace, closeBracket] =
  Buffer.from('"\\,{[}]');
const [zero = 0, nine = 0, minus = 0, plus = 0, dot = 0, smallE = 0, largeE = 0] = Buffer.from("09-+.eE");
