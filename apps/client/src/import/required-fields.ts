import { usageFailure } from "../failure.ts";
import { plain } from "../output.ts";
import type { FileRecord } from "./records/file-record.ts";
import type { Mapping } from "./record-event.ts";

/** How much is read before it counts as certain that no record has a field. */
const most = { records: 1000, bytes: 8 * 1024 * 1024 };

/** How many names a message shows. */
const shownNames = 10;

/**
 * Passes records on once each of the fields was seen in one of them.
 *
 * @throws Failure before the first record if none of the first ones has a field, since then its name is wrong.
 */
export async function* withFields(
  records: AsyncIterable<FileRecord>,
  fields: Mapping["fields"],
): AsyncGenerator<FileRecord, void> {
  const missing = new Map(Object.entries(fields));
  let held: FileRecord[] = [];
  let bytes = 0;
  for await (const record of records) {
    for (const [part, name] of missing) if (has(record, name)) missing.delete(part);
    held.push(record);
    bytes += record.raw.length;
    if (missing.size > 0 && held.length < most.records && bytes < most.bytes) continue;
    check(missing, held);
    missing.clear();
    yield* held;
    held = [];
  }
  check(missing, held);
  yield* held;
}

function has(record: FileRecord, name: string): boolean {
  return "value" in record && isObject(record.value) && Object.hasOwn(record.value, name);
}

function check(missing: Map<string, string>, held: FileRecord[]): void {
  const example = held.find((record) => "value" in record);
  // Where no record can be read at all, each of them is rejected with its reason.
  if (missing.size === 0 || example === undefined || !("value" in example)) return;
  const names = isObject(example.value) ? Object.keys(example.value).slice(0, shownNames) : [];
  const shown = names.length === 0 ? "none" : names.map((name) => `"${plain(name)}"`).join(", ");
  const wrong = [...missing].map(
    ([part, name]) => `no record has the field "${plain(name)}" of --${part}-field`,
  );
  throw usageFailure(
    `${wrong.join("\n")}\nthe fields of the first record are ${shown}`,
    `correct the name; one of the first ${most.records} records must have it`,
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
