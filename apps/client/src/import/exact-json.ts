import type { JsonValue } from "@bufbuild/protobuf";

declare global {
  // In the language since ES2026; TypeScript's library does not have it yet.
  interface JSON {
    rawJSON(text: string): unknown;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): JsonValue;
  }
}

/** Like JSON.parse, but JSON.stringify gives each number back as it was written: 1.0 and 2^64 stay what they were. */
export function parseExact(text: string): JsonValue {
  return JSON.parse(text, (_key, value, { source }) =>
    typeof value === "number" && source !== undefined ? JSON.rawJSON(source) : value,
  );
}
