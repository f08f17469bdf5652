import type { Pool } from "../database/pool.ts";
import type { MachineTime } from "./machine-time.ts";
import {
  type ClockReading,
  type ClockRecord,
  type Leap,
  lockRecord,
  readClock,
  writeRecord,
} from "./clock-record.ts";

/** A larger difference between two looks is a jump: drift and slewing are always smaller. */
const toleranceMs = 1000;
/** How old `seen` may be. */
const recordEveryMs = 60_000;
/** The most that counts of a time in which no server looked: the clock may have been put forward meanwhile. */
const maxUnseenMs = 3_600_000;
/** The number of leaps kept. Older leaps are added up, as if they had happened later than they did. */
const maxLeaps = 20;

/**
 * The database's clock, which somebody may set, and which changes when another server becomes the primary. Each server compares
 * it with the time of its own machine in `maintain`. The first server that notices a jump records it for all:
 * - leases are measured in steady time: the clock minus the sum of its jumps. Between two looks each server uses the time of its
 *   own machine, so a clock that was set a moment ago ends no lease.
 * - due times of retries are ahead of the clock by `leadMs`. It grows by each jump back, and shrinks by each jump forward. A due
 *   time that a caller named is an instant and has no lead.
 * - retention does not count jumps forward as time: see `keptSince`.
 */
export interface Clock {
  /** In ms; to about a second the same for all servers, and never set. */
  steady: () => number;
  /** What the database's clock shows, unless it was set since the last look. */
  now: () => number;
  readonly leadMs: number;
  readonly leaps: readonly Leap[];
  /** Looks whether the clock was set. */
  check: () => Promise<void>;
}

/** A reading of the clock, made between two moments of this machine, with the record at that time. */
interface Look {
  before: number;
  after: number;
  /** How long the machine had slept by then. */
  asleepMs: number;
  now: number;
  record: ClockRecord;
}

/** Looks at the database's clock, and at what is known of it. */
export async function openClock(pool: Pool, { awakeMs, asleepMs }: MachineTime): Promise<Clock> {
  const recordLook = (last: Look | undefined): Promise<Look> => {
    const before = awakeMs() + asleepMs();
    return pool.transaction(async (query) => {
      // The clock stands still in a transaction, from its beginning.
      const moment = { before, after: awakeMs() + asleepMs(), asleepMs: asleepMs() };
      await lockRecord(query);
      const { now, record: known } = await readClock(query);
      const setBy = known === undefined ? 0 : setSince(last, { ...moment, now, record: known });
      const record = nextRecord({ now, record: known }, setBy, last === undefined);
      await writeRecord(query, record, setBy);
      return { ...moment, now, record };
    });
  };
  const look = async (last: Look): Promise<Look> => {
    const before = awakeMs() + asleepMs();
    const { now, record } = await readClock(pool.query);
    if (record === undefined) return recordLook(undefined);
    const found = { before, after: awakeMs() + asleepMs(), asleepMs: asleepMs(), now, record };
    const isRecent = Math.abs(now - record.seen) < recordEveryMs;
    return isRecent && setSince(last, found) === 0 ? found : recordLook(last);
  };

  let last = await recordLook(undefined);
  const now = () => {
    const moment = awakeMs() + last.asleepMs;
    return Math.floor(last.now + moment - (last.before + last.after) / 2);
  };
  return {
    now,
    steady: () => now() - last.record.setBy,
    get leadMs() {
      return last.record.leadMs;
    },
    get leaps() {
      return last.record.leaps;
    },
    async check() {
      last = await look(last);
    },
  };
}

/** By how much the clock was set since the last look, without the part that other servers have recorded. Below 0: put back. */
function setSince(last: Look | undefined, look: Look): number {
  // Nobody knows how much time has passed, but it was not negative.
  if (last === undefined) return beyondTolerance(Math.min(0, look.now - look.record.seen));
  const passed = look.now - last.now;
  const [least, most] = [passed - (look.after - last.before), passed - (look.before - last.after)];
  if (least <= toleranceMs && most >= -toleranceMs) return 0;
  return beyondTolerance((least + most) / 2 - (look.record.setBy - last.record.setBy));
}

function beyondTolerance(ms: number): number {
  return Math.abs(ms) > toleranceMs ? Math.round(ms) : 0;
}

function nextRecord({ now, record }: ClockReading, setBy: number, isFirstLook: boolean): ClockRecord {
  if (record === undefined) return { seen: now, setBy: 0, leadMs: 0, leaps: [] };
  const unseenMs = isFirstLook ? Math.max(0, now - record.seen - maxUnseenMs) : 0;
  const leapMs = Math.max(0, setBy) + unseenMs;
  return {
    seen: now,
    setBy: record.setBy + setBy,
    leadMs: Math.max(0, record.leadMs - setBy),
    leaps: leapMs === 0 ? record.leaps : withLeap(record.leaps, { at: now, ms: leapMs }),
  };
}

function withLeap(leaps: readonly Leap[], leap: Leap): readonly Leap[] {
  const [first, second, ...rest] = [...leaps, leap];
  if (first === undefined || second === undefined || leaps.length < maxLeaps) return [...leaps, leap];
  return [{ at: second.at, ms: first.ms + second.ms }, ...rest];
}
