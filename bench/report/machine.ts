import { closeSync, fdatasyncSync, openSync, statfsSync, writeSync } from "node:fs";
import { availableParallelism, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "@event-ingestion/store-sqlite";

/** What the figures depend on. Names no host and no path. */
export interface Machine {
  cores: number;
  /** Of the minute before the run: much above 0 and something else took part. */
  loadAverage: number;
  memoryGiB: number;
  platform: string;
  /** Writes of 4 KiB, each with its fdatasync, one after the other: what a commit costs at least. */
  syncsPerSecond: number;
  /** What an accepted event survives, as the store proves it on this disk. */
  durability: string;
}

const syncMs = 500;

/** Measures the disk for half a second. `dir`: a folder on the disk that is measured. */
export async function describeMachine(dir: string): Promise<Machine> {
  const store = await openSqliteStore(`sqlite:${dir}/machine.db`);
  const { durability } = store.caps;
  await store.close();
  return {
    cores: availableParallelism(),
    loadAverage: loadavg()[0] ?? 0,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${release().split("-", 1).join()} ${process.arch}`,
    syncsPerSecond: measureSyncs(join(dir, "sync")),
    durability: isInMemory(dir) ? `${durability}, but in memory: tmpfs` : durability,
  };
}

/** Whether a folder is on a file system that loses everything with the power. */
export function isInMemory(dir: string): boolean {
  return statfsSync(dir).type === tmpfs;
}

const tmpfs = 0x01021994;

function measureSyncs(path: string): number {
  const file = openSync(path, "w");
  const page = Buffer.alloc(4096, 1);
  try {
    const start = performance.now();
    let syncs = 0;
    for (; performance.now() < start + syncMs; syncs++) {
      writeSync(file, page);
      fdatasyncSync(file);
    }
    return (syncs * 1000) / (performance.now() - start);
  } finally {
    closeSync(file);
  }
}
