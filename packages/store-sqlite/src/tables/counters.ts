import { type State, stateCode } from "@event-ingestion/store";
import { type Database, query } from "../database/driver.ts";

const numbers = {
  /** No QUEUED job that never had a `run_at` lies at or below this `seq`. */
  cursor: 6,
  /** The highest `seq` ever given out; never given out again, not even when its job is gone. */
  lastSeq: 7,
  /** When that job was accepted. */
  lastAt: 8,
  /** Retention has looked at all jobs up to this `seq` .. */
  agedSeq: 9,
  /** .. of which none is due before this instant. */
  agedUntil: 10,
  /** From this `seq` on, no job was accepted at an earlier instant than the one before: the clock was not put back. */
  orderedSeq: 11,
  /** What retention was asked to keep when it began its walk. */
  agedPolicy: 12,
  /** 1: its last walk came to the jobs that are too young. */
  isAgedThrough: 13,
  /** By how much the wall clock is ahead of the steady time. */
  clockLead: 14,
  /** When the clocks were noted last, by the wall clock .. */
  notedAt: 15,
  /** .. and by the machine's uptime. */
  notedUptime: 16,
  /** When the last delay began. None that a job waits for began later. */
  delayedAt: 17,
};

const keys = { ...stateCode, ...numbers };

/** How many jobs are in a state, or one of the numbers above. */
type CounterName = State | keyof typeof numbers;

/** A few numbers about the whole store. They change in memory and are saved by the commit they belong to. */
export interface Counters {
  /** 0 until it is set. */
  get(name: CounterName): number;
  set(name: CounterName, value: number): void;
  /** `n` jobs went from one state to another; without `from` they are new, without `to` they are gone. */
  moved(n: number, way: { from?: State; to?: State }): void;
  /** Writes what changed. */
  save(): void;
  /** Back to what the file holds, after a rollback. */
  restore(): void;
}

/** The counters as the database has them. */
export function createCounters(db: Database): Counters {
  const stored = query<{ k: number; v: number }>(db, "SELECT k, v FROM meta");
  const write = db.prepare("INSERT INTO meta(k, v) VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET v = excluded.v");
  const values = new Map<number, number>();
  const changed = new Set<number>();

  const get = (name: CounterName) => values.get(keys[name]) ?? 0;
  const set = (name: CounterName, value: number) => {
    if (get(name) === value) return;
    values.set(keys[name], value);
    changed.add(keys[name]);
  };
  const restore = () => {
    values.clear();
    changed.clear();
    for (const { k, v } of stored.all()) values.set(k, v);
  };
  restore();

  return {
    get,
    set,
    moved(n, { from, to }) {
      if (from !== undefined) set(from, get(from) - n);
      if (to !== undefined) set(to, get(to) + n);
    },
    save() {
      for (const key of changed) write.run(key, values.get(key) ?? 0);
      changed.clear();
    },
    restore,
  };
}

/** How many jobs the tables hold, in all states. */
export function countJobs({ get }: Pick<Counters, "get">): number {
  return get("QUEUED") + get("RUNNING") + get("SUCCEEDED") + get("DEAD") + get("CANCELLED");
}
