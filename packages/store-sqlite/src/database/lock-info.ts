import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { syncFolderOf } from "./folders.ts";

const pathOf = (file: string) => `${file}-info`;

/**
 * Says who has the store open: "pid 4711 on host-a since 2026-11-23T09:12:00.000Z". The file stays behind when the
 * store is closed: where it lies, there was a store.
 */
export function writeLockInfo(file: string, since: number): void {
  const descriptor = openSync(pathOf(file), "w");
  try {
    writeSync(descriptor, `pid ${process.pid} on ${hostname()} since ${new Date(since).toISOString()}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  syncFolderOf(pathOf(file));
}

/**
 * Who has the file open: "another process (pid 4711 on host-a since ..)". Linux says which process holds the lock; where
 * that is not to be found out, the last opener is named as just that, unless it is known to be gone.
 */
export function describeHolder(file: string): string {
  const info = read(pathOf(file));
  const holder = lockHolder(file);
  if (holder !== undefined) {
    const who = holder === process.pid ? "this process" : "another process";
    const isTold = info?.startsWith(`pid ${holder} on ${hostname()} `) === true;
    return `${who} (${isTold ? info : `pid ${holder}${nameOf(holder)}`})`;
  }
  return info === undefined || isGone(info)
    ? "another process"
    : `another process (it was last opened by ${info})`;
}

/** The process of this machine that has a lock on the file; undefined if it cannot be seen, as from within a container. */
function lockHolder(file: string): number | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const { dev, ino } = found;
  const device = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const place = `${device.map((part) => part.toString(16).padStart(2, "0")).join(":")}:${ino}`;
  const lock = read("/proc/locks")
    ?.split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find((words) => words.includes(place));
  const pid = Number(lock?.[4]);
  return pid > 0 ? pid : undefined;
}

function nameOf(pid: number): string {
  const name = read(`/proc/${pid}/comm`);
  return name === undefined ? "" : `, ${name}`;
}

/** Whether the process that an info file tells of was one of this machine, and has ended. */
function isGone(info: string): boolean {
  const [, pid = "", host] = /^pid (\d+) on (\S+) /.exec(info) ?? [];
  if (host !== hostname()) return false;
  // With /proc/locks, a lock that is not there was not that process's.
  if (existsSync("/proc/locks")) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EPERM");
  }
}

/** Used for a better message only, so errors are ignored: the holder may be writing the file now. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd() || undefined;
  } catch {
    return undefined;
  }
}
