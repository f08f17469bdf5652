import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Another process with a store open. */
export interface StoreProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it says next, in JSON. */
  next: () => Promise<string>;
  /** kill -9, and waits for its end. */
  kill: () => Promise<void>;
}

/**
 * Runs a script that finds `store`, opened from the URL, `newEvent(eventId)` and `say(value)`.
 * `wrapper` is a command that runs what is appended to it.
 */
export function startStoreProcess(
  url: string,
  script: string,
  wrapper?: readonly [string, ...string[]],
): StoreProcess {
  const code = `
    import { openSqliteStore } from ${moduleUrl("sqlite-store.ts")};
    import { newEvent } from ${moduleUrl("testing/new-event.ts")};
    const say = (value) => console.log(JSON.stringify(value));
    const store = await openSqliteStore(${JSON.stringify(url)}, { reserveBytes: 65536 });
    ${script}`;
  const node = [process.execPath, "--input-type=module", "--eval", code] as const;
  const [command, ...args] = wrapper === undefined ? node : ([...wrapper, ...node] as const);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  return {
    child,
    next: async () => {
      const { done, value } = await lines.next();
      if (done === true) throw new Error("the process said nothing more");
      return value;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

function moduleUrl(name: string): string {
  return JSON.stringify(new URL(`../${name}`, import.meta.url).href);
}
