import type { LoopResult } from "../load/loop.ts";
import { type Scenario, warmUps } from "../scenario.ts";
import type { Appends } from "../servers/store-append.ts";

const storeAppend: Scenario = {
  name: "store-append-1000",
  title: "store-sqlite by itself, append of 1,000, 2 in flight",
  kind: "reference",
  unit: "events",
  durability: "fsync",
  async run({ dir, seconds, warmUpSeconds, startChild }) {
    const child = startChild(new URL("../servers/store-append.ts", import.meta.url));
    const appends: Appends = {
      url: `sqlite:${dir}/events.db`,
      size: 1000,
      inFlight: 2,
      warmUpSeconds: warmUps * warmUpSeconds,
      seconds,
    };
    const { count, seconds: took, p50Ms, p99Ms, cpuSeconds } = await child.ask<LoopResult>("append", appends);
    return { count, seconds: took, p50Ms, p99Ms, cpuSeconds };
  },
};

export default [storeAppend];
