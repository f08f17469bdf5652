import type { JobId } from "@event-ingestion/store";

/** What a job id is made of. The row keeps all of it, so an id that was made up names no job. */
export interface JobKey {
  /** When the job was accepted. Falls from one `seq` to the next only when a clock is put back by more than a minute. */
  at: number;
  /** The key of the job's row, up to 2^40. */
  seq: number;
  /** 22 random bits. */
  salt: number;
}

const seqLow = 2 ** 26;
const saltRange = 2 ** 22;
/** The two highest bits of the fourth group; its others are the highest of `seq`. */
const variant = 0x8000;
const maxSeqHigh = 0x3fff;

/**
 * A UUIDv7 with `seq` right behind the time, as RFC 9562 (6.2, method 1) places a counter: ids sort as they were
 * given out. `rand_a` is 0, kept for the number of a shard.
 */
export function formatJobId({ at, seq, salt }: JobKey): JobId {
  const seqRest = seq % seqLow;
  writeHex(Math.floor(at / 0x10000), 0, 8);
  writeHex(at % 0x10000, 9, 13);
  writeHex(variant + Math.floor(seq / seqLow), 19, 23);
  writeHex(seqRest >>> 2, 24, 30);
  writeHex(((seqRest & 3) << 22) | salt, 30, 36);
  return text.toString("latin1");
}

// One piece of memory for all ids: strings that are put together out of parts cost four times as much.
const text = Buffer.from("00000000-0000-7000-0000-000000000000");
const hexDigits = Buffer.from("0123456789abcdef");

/** A number of up to 32 bits. */
function writeHex(value: number, start: number, end: number): void {
  for (let place = end - 1, rest = value; place >= start; place--, rest >>>= 4) {
    text[place] = hexDigits[rest & 15] ?? 0;
  }
}

/** undefined: no id that this store could have given out. */
export function parseJobId(id: JobId): JobKey | undefined {
  if (id.length !== 36 || id[8] !== "-" || id.slice(13, 19) !== "-7000-" || id[23] !== "-") return undefined;
  const at = readHex(id, 0, 4) * 2 ** 32 + readHex(id, 4, 8) * 2 ** 16 + readHex(id, 9, 13);
  const seqHigh = readHex(id, 19, 23) - variant;
  const seqMiddle = readHex(id, 24, 30);
  const low = readHex(id, 30, 36);
  if (Number.isNaN(at + seqHigh + seqMiddle + low) || seqHigh < 0 || seqHigh > maxSeqHigh) return undefined;
  return { at, seq: seqHigh * seqLow + seqMiddle * 4 + (low >>> 22), salt: low % saltRange };
}

const digitValues = new Int8Array(128).fill(-1);
for (const [value, code] of hexDigits.entries()) digitValues[code] = value;

/** NaN if it has anything but lower case hex digits, of which there are 7 at most. */
function readHex(id: string, start: number, end: number): number {
  let value = 0;
  for (let place = start; place < end; place++) {
    const digit = digitValues[id.charCodeAt(place)] ?? -1;
    if (digit < 0) return Number.NaN;
    value = value * 16 + digit;
  }
  return value;
}

/** Whether the id behind `key` is this row's, and not one that was made up around its `seq`. */
export function isIdOf(row: JobKey, key: JobKey): boolean {
  return row.seq === key.seq && row.at === key.at && row.salt === key.salt;
}

/** Job ids are no secrets (a tenant's jobs are kept apart by its credentials), so any randomness will do. */
export function randomSalt(): number {
  return Math.floor(Math.random() * saltRange);
}
