import { uptime } from "node:os";

/**
 * A clock of this machine that nobody sets, in ms from an arbitrary start. Unlike `performance.now`, it goes on while the machine
 * sleeps: it learns how long from the machine's uptime, which goes on, too, but has whole seconds only.
 */
export function createMachineTime(): () => number {
  const start = { plainMs: performance.now(), upMs: uptime() * 1000 };
  let sleptMs = 0;
  return () => {
    const plainMs = performance.now();
    const ahead = uptime() * 1000 - start.upMs - (plainMs - start.plainMs);
    sleptMs = Math.max(sleptMs, ahead - 1000);
    return plainMs + sleptMs;
  };
}
