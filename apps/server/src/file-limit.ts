import { readFileSync } from "node:fs";

/** Open files of the process besides its connections: the store, the log, the connections for probes. */
const otherFiles = 100;

/**
 * The warning if the process may open fewer files than it may have connections. undefined: the limit is high enough, or the system
 * does not tell it. `limits` is the content of /proc/self/limits of Linux.
 */
export function fileLimitWarning(maxConnections: number, limits = readLimits()): string | undefined {
  const [, files] = /^Max open files +(\d+)/m.exec(limits) ?? [];
  const wanted = maxConnections + otherFiles;
  if (files === undefined || Number(files) >= wanted) return undefined;
  return `MAX_CONNECTIONS is ${maxConnections}, but the process may open only ${files} files: raise that limit (ulimit -n) to ${wanted}, or lower MAX_CONNECTIONS`;
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}
