import { uptime } from "node:os";

/**
 * A clock of this machine that nobody sets, in ms from any start. It goes on while the machine sleeps, which the plain one does
 * not; the time since the start of the machine does, but has whole seconds only.
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
