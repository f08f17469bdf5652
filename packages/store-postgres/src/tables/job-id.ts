import { randomBytes } from "node:crypto";
import type { JobId } from "@event-ingestion/store";

/** A day in ms: partitions hold one each. */
export const dayMs = 86_400_000;

/** The last instant that an id can hold. */
export const maxInstant: number = 2 ** 48 - 1;

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether Postgres can read it as a uuid and would write it the same way. */
export function isUuid(text: string): boolean {
  return pattern.test(text);
}

/** When the job was accepted: the first 48 bits. */
export function acceptedAt(id: JobId): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The lowest id of that millisecond. */
export function firstIdAt(ms: number): JobId {
  const time = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** The UTC day of an instant, as table names have it: "20261123". */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll("-", "");
}

/** The first instant of a day. */
export function startOfDay(day: string): number {
  return Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6)));
}

/**
 * The last 13 digits of the ids of one batch: the place in the batch (10 bits), then 42 random bits. The statement puts
 * the time of the database before them, to the microsecond, so that ids sort as they were given out: 48 bits of
 * milliseconds, version and `rand_a` 0 (kept for the number of a shard), 10 bits of microseconds.
 */
export function idSuffixes(count: number): string[] {
  const random = randomBytes(count * 6);
  const digits = random.toString("hex");
  return Array.from({ length: count }, (_, place) => {
    const high = 0x1000 | (place << 2) | (random.readUInt8(place * 6) & 3);
    const text = high.toString(16);
    return `${text.slice(1, 2)}-${text.slice(2)}${digits.slice(place * 12 + 2, place * 12 + 12)}`;
  });
}
