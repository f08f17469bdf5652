import { uptime } from "node:os";

/** The time of a machine, which nobody sets. */
export interface MachineTime {
  /** From any start, in ms. Stands still while the machine sleeps. */
  awakeMs: () => number;
  /** How long it has slept since then. Costs some microseconds more. */
  asleepMs: () => number;
}

/** The time of this machine. What is known of its sleep has whole seconds, so one second is never taken for sleep. */
export function createMachineTime(): MachineTime {
  const start = { awakeMs: performance.now(), upMs: uptime() * 1000 };
  let asleepMs = 0;
  return {
    awakeMs: () => performance.now(),
    asleepMs() {
      const ahead = uptime() * 1000 - start.upMs - (performance.now() - start.awakeMs);
      asleepMs = Math.max(asleepMs, ahead - 1000);
      return asleepMs;
    },
  };
}
