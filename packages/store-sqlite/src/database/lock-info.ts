import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { syncFolderOf } from "./folders.ts";

const pathOf = (file: string) => `${file}-info`;
const self = () => `pid ${process.pid} on ${hostname()}`;

/**
 * Says who has the store open: "pid 4711 on host-a since 2026-11-23T09:12:00.000Z". The file stays behind when the
 * store is closed: where it lies, there was a store.
 */
export function writeLockInfo(file: string, since: number): void {
  const descriptor = openSync(pathOf(file), "w");
  try {
    writeSync(descriptor, `${self()} since ${new Date(since).toISOString()}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  syncFolderOf(pathOf(file));
}

/** "another process (pid 4711 on host-a since ..)", as far as it is known. */
export function describeHolder(file: string): string {
  const info = read(file);
  if (info === undefined) return "another process";
  return `${info.startsWith(`${self()} `) ? "this" : "another"} process (${info})`;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(pathOf(file), "utf8").trimEnd() || undefined;
  } catch {
    // The holder may be about to write it; it only makes a message better.
    return undefined;
  }
}
