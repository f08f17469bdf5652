import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { closedLoop } from "../closed-loop.ts";
import type { Scenario } from "../scenario.ts";
import type { Appends } from "../servers/store-append.ts";

const storeAppend: Scenario = {
  name: "store-append-1000",
  title: "store-sqlite by itself, append of 1000, 2 in flight",
  kind: "reference",
  unit: "events",
  durability: "fsync",
  async run({ dir, seconds, warmUpSeconds, startChild }) {
    const child = startChild(new URL("../servers/store-append.ts", import.meta.url));
    const appends: Appends = {
      url: `sqlite:${join(dir, "events.db")}`,
      size: 1000,
      inFlight: 2,
      warmUpSeconds,
      seconds,
    };
    return child.ask("append", appends);
  },
};

/** What every commit on this disk costs at least. */
const fdatasync: Scenario = {
  name: "fdatasync",
  title: "write of 4 KiB and fdatasync, one after the other",
  kind: "reference",
  unit: "syncs",
  durability: "fsync",
  async run({ dir, seconds }) {
    const file = openSync(join(dir, "sync"), "w");
    const page = Buffer.alloc(4096, 1);
    try {
      const syncOnce = () => {
        writeSync(file, page);
        fdatasyncSync(file);
        return 1;
      };
      const { cpuSeconds: _, ...result } = await closedLoop(
        { inFlight: 1, until: { seconds: Math.min(seconds, 0.5) } },
        () => undefined,
        syncOnce,
      );
      return result;
    } finally {
      closeSync(file);
    }
  },
};

export default [storeAppend, fdatasync];
