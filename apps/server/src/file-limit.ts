import { readFileSync } from "node:fs";

/** Files that the process has open beside its connections: the store, the log, the connections for probes. */
const otherFiles = 100;

/**
 * What to say if the process may not open as many files as it may have connections. Nothing if it may, or if the system
 * does not tell; `limits` is what Linux has in /proc/self/limits.
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
