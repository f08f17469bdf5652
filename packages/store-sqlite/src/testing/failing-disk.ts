import { spawnSync } from "node:child_process";

/** A command that makes the 25th fsync of a thread fail, which is some commits after the store was opened. */
export const failingDisk = [
  "strace",
  "-f",
  "-qq",
  "-o",
  "/dev/null",
  "-e",
  "inject=fsync:error=EIO:when=25",
] as const;

/** Whether there is an strace that may inject faults. */
export function canInject(): boolean {
  const [command, ...args] = failingDisk;
  return spawnSync(command, [...args, "true"]).status === 0;
}
