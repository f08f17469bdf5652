import { readFileSync } from "node:fs";

const ticksPerSecond = 100;

/** CPU time of a process, of its children and of those that it has waited for. NaN where there is no /proc. */
export function cpuSecondsOf(pid: number): number {
  if (process.platform !== "linux") return Number.NaN;
  const [user = 0, system = 0, waitedUser = 0, waitedSystem = 0] = readTimes(pid);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const living =
    children === "" ? [] : children.split(" ").flatMap((child) => readTimes(Number(child)).slice(0, 2));
  const ticks = [user, system, waitedUser, waitedSystem, ...living];
  return ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond;
}

/** utime, stime, cutime, cstime; nothing of a process that has just ended. */
function readTimes(pid: number): number[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program is in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).map(Number);
  } catch {
    return [];
  }
}
