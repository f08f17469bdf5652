import { statfsSync } from "node:fs";
import { availableParallelism, loadavg, totalmem } from "node:os";
import { openSqliteStore } from "@event-ingestion/store-sqlite";

/** What the figures depend on. Names no host and no path. */
export interface Machine {
  cores: number;
  /** Of the minute before the run: much above 0 and something else took part. */
  loadAverage: number;
  memoryGiB: number;
  platform: string;
  node: string;
  sqlite: string;
  /** What an accepted event survives, as the store proves it on this disk. */
  durability: string;
}

const tmpfs = 0x01021994;

/** `dir`: a folder on the disk that is measured. */
export async function describeMachine(dir: string): Promise<Machine> {
  const store = await openSqliteStore(`sqlite:${dir}/machine.db`);
  const { durability } = store.caps;
  await store.close();
  return {
    cores: availableParallelism(),
    loadAverage: loadavg()[0] ?? 0,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? "unknown",
    durability: statfsSync(dir).type === tmpfs ? `${durability}, but on tmpfs: in memory` : durability,
  };
}
