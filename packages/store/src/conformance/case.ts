import { type TestAPI, test } from "vitest";
import type { JobStore } from "../job-store.ts";
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

/** What a case may ask for. Each case gets a store of its own. */
interface Fixtures extends Engine {
  readonly engine: Engine;
}

/** Declares one case. One that asks for what the engine cannot do is reported as skipped, with the reason. */
export type Case = TestAPI<Fixtures>;

/** Cases over this backend. The store of a case is named after its code, and closed in the end. */
export function createCase(backend: ConformanceBackend): Case {
  let cases = 0;
  return test.extend<Fixtures>({
    engine: async ({ task }, use) => {
      const code = task.name.slice(0, task.name.indexOf(" ")).toLowerCase();
      const { engine, close } = await startEngine(backend, `${code}-${++cases}`);
      await use(engine);
      await close();
    },
    store: ({ engine }, use) => use(engine.store),
    spanMs: backend.spanMs,
    elapse: ({ engine }, use) => use(engine.elapse),
    second: ({ engine }, use) => use(engine.second),
    reopen: ({ engine, skip }, use) => {
      skip(engine.store.caps.durability === "memory", "nothing in memory can be opened again");
      return use(engine.reopen);
    },
  });
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
