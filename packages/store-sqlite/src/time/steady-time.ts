import type { Counters } from "../tables/counters.ts";
import type { Database } from "../database/driver.ts";
import type { Clock } from "./clock.ts";
import type { WaitingJobs } from "../tables/waiting-jobs.ts";

/**
 * Steady time: an instant that moves on only by time that has certainly passed. It starts with the first reading of the wall
 * clock, and no setting of the wall clock moves it. While the store is closed it follows the machine's uptime, but not beyond
 * the wall clock. It stands still while the machine is off.
 */
export interface SteadyTime {
  now(): number;
  /** By how much the wall clock is ahead: it rises and falls as the wall clock is set. */
  lead(): number;
  /** Whether the wall clock was set since `follow` was called last. */
  isClockSet(): boolean;
  /**
   * Takes over a setting of the wall clock, in a transaction. Delays move along with the clock; `runAt` of an event does not,
   * because it names an instant. `isStart`: nobody knows how long the store was closed. So only a clock that was put back moves
   * delays, and no delay becomes longer.
   */
  follow(isStart?: boolean): void;
  /** Keeps for the next start what the clocks say, once it is old; in a transaction. */
  note(): void;
}

/** A smaller difference between two clocks does not mean that somebody set one of them. */
const minStepMs = 1000;
const noteMs = 600_000;

/** Keeps what it knows in the counters, so that it is undone with its transaction. */
export function createSteadyTime(
  db: Database,
  { clock, counters, waitingJobs }: { clock: Clock; counters: Counters; waitingJobs: WaitingJobs },
): SteadyTime {
  // A job that was never tried waits for the instant of its event, every other one for the end of a delay.
  const moveDelays = db.prepare(
    "UPDATE job INDEXED BY job_due SET run_at = run_at + ? WHERE run_at IS NOT NULL AND attempts > 0",
  );
  const startedAt = clock.monotonic();
  const start = timeAtStart(clock, counters);

  const lead = () => counters.get("clockLead");
  const certain = () => start + clock.monotonic() - startedAt;
  const step = () => {
    // Down, so that a job that is due stays so.
    const by = Math.floor(clock.now() - lead() - certain());
    return Math.abs(by) < minStepMs ? 0 : by;
  };
  const write = () => {
    counters.set("notedAt", clock.now());
    counters.set("notedUptime", Math.floor(clock.uptime()));
  };

  return {
    now: () => (step() === 0 ? clock.now() - lead() : Math.round(certain())),
    lead,
    isClockSet: () => step() !== 0,
    follow(isStart = false) {
      const by = step();
      const delaysBy = isStart ? Math.min(0, clock.now() - counters.get("delayedAt")) : by;
      if (delaysBy !== 0) {
        moveDelays.run(delaysBy);
        waitingJobs.forget();
        counters.set("delayedAt", counters.get("delayedAt") + delaysBy);
      }
      if (by === 0) return;
      counters.set("clockLead", lead() + by);
      write();
    },
    note() {
      if (step() === 0 && Math.abs(clock.now() - counters.get("notedAt")) >= noteMs) write();
    },
  };
}

/** A store without notes is new, or comes from a version that kept none. */
function timeAtStart(clock: Clock, counters: Counters): number {
  const [notedAt, notedUptime] = [counters.get("notedAt"), counters.get("notedUptime")];
  if (notedAt === 0) return clock.now();
  const uptime = clock.uptime();
  // Less than noted: the machine was started anew.
  const passed = uptime >= notedUptime ? uptime - notedUptime : uptime;
  return notedAt - counters.get("clockLead") + Math.max(0, Math.min(passed, clock.now() - notedAt));
}
