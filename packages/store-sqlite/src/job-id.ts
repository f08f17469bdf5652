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
const pattern = /^([0-9a-f]{8})-([0-9a-f]{4})-7000-([89ab][0-9a-f]{3})-([0-9a-f]{12})$/;

/**
 * A UUIDv7 with `seq` right behind the time, as RFC 9562 (6.2, method 1) places a counter: ids sort as they were
 * given out. `rand_a` is 0, kept for the number of a shard.
 */
export function formatJobId({ at, seq, salt }: JobKey): JobId {
  const time = hex(at);
  const high = (0x8000 + Math.floor(seq / seqLow)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-${high}-${hex((seq % seqLow) * saltRange + salt)}`;
}

/** undefined: no id that this store could have given out. */
export function parseJobId(id: JobId): JobKey | undefined {
  const [, timeHigh, timeLow, high, low] = pattern.exec(id) ?? [];
  if (timeHigh === undefined || timeLow === undefined || high === undefined || low === undefined) return;
  const tail = Number.parseInt(low, 16);
  return {
    at: Number.parseInt(timeHigh + timeLow, 16),
    seq: (Number.parseInt(high, 16) - 0x8000) * seqLow + Math.floor(tail / saltRange),
    salt: tail % saltRange,
  };
}

/** Whether the id behind `key` is this row's, and not one that was made up around its `seq`. */
export function isIdOf(row: JobKey, key: JobKey): boolean {
  return row.seq === key.seq && row.at === key.at && row.salt === key.salt;
}

/** Job ids are no secrets (a tenant's jobs are kept apart by its credentials), so any randomness will do. */
export function randomSalt(): number {
  return Math.floor(Math.random() * saltRange);
}

/** 48 bits in halves: a number beyond 31 bits takes the slow path of `toString`, four times as long. */
function hex(value: number): string {
  const half = 0x1000000;
  const high = half + Math.floor(value / half);
  const low = half + (value % half);
  return high.toString(16).slice(1) + low.toString(16).slice(1);
}
