import { test } from "vitest";
import type { Caps, JobStore } from "../job-store.ts";
import type { ConformanceBackend } from "./backend.ts";

/** The engine under test with a store of its own for one case. */
export interface Engine {
  readonly store: JobStore;
  /** How long a lease that expires, a delay and a retention last. */
  readonly spanMs: number;
  /** Lets that many spans pass, 1 unless given. */
  elapse: (spans?: number) => Promise<void>;
  /** Another handle on the same data. An exclusive engine has only one handle, so there it is the same. */
  second: () => Promise<JobStore>;
  /** Closes all handles and opens the data again. */
  reopen: () => Promise<JobStore>;
}

/** Why a case does not apply to an engine with these capabilities, or undefined if it does. */
export type Unless = (caps: Caps, store: JobStore) => string | undefined;

/** Declares one case. One that does not apply is reported as skipped, with the reason. */
export type Case = (title: string, run: (engine: Engine) => Promise<void>, unless?: Unless) => void;

/** Much, since some engines sleep where others move a clock. */
const timeoutMs = 60_000;

/** The data ends with the handle, so there is nothing to open again. */
export const unlessMemory = ({ durability }: Caps): string | undefined =>
  durability === "memory" ? "nothing in memory can be opened again" : undefined;

/** Cases over this backend: each opens a store of its own, named after its code, and closes it in the end. */
export function createCase(backend: ConformanceBackend): Case {
  let cases = 0;
  return (title, run, unless) => {
    // oxlint-disable-next-line vitest/valid-title, vitest/expect-expect -- both are the case's
    test(title, { timeout: timeoutMs }, async ({ skip }) => {
      const code = title.slice(0, title.indexOf(" ")).toLowerCase();
      const { engine, close } = await startEngine(backend, `${code}-${++cases}`);
      try {
        const reason = unless?.(engine.store.caps, engine.store);
        if (reason !== undefined) skip(reason);
        await run(engine);
      } finally {
        await close();
      }
    });
  };
}

/** Opens the store of that name. The caller closes it. */
export async function startEngine(
  backend: ConformanceBackend,
  name: string,
): Promise<{ engine: Engine; close: () => Promise<void> }> {
  const { spanMs } = backend;
  let handles: JobStore[] = [];
  const close = async () => {
    const open = handles;
    handles = [];
    for (const handle of open) await handle.close();
  };
  const open = async () => {
    const handle = await backend.open(name);
    handles.push(handle);
    return handle;
  };
  let store = await open();
  const engine: Engine = {
    get store() {
      return store;
    },
    spanMs,
    elapse: (spans = 1) => backend.elapse(spans * spanMs),
    second: () => (store.caps.exclusive ? Promise.resolve(store) : open()),
    reopen: async () => {
      await close();
      store = await open();
      return store;
    },
  };
  return { engine, close };
}
