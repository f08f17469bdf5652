import type { JobId, JobStore } from "../job-store.ts";
import type { Case, Unless } from "./case.ts";
import { accept, longMs, start, take } from "./steps.ts";

/** Hints are lossy by contract, except that an exclusive engine sees every change. */
export function hintCases(check: Case): void {
  check("H1 hints end when the signal aborts, before and while waiting", async ({ store }) => {
    for await (const hint of store.hints(AbortSignal.abort())) throw new Error(`got ${String(hint)}`);
    const controller = new AbortController();
    const ended = collect(store, controller.signal);
    await accept(store);
    controller.abort();
    await ended.done;
  });

  check(
    "H2 new work is hinted",
    async ({ store }) => {
      const controller = new AbortController();
      const { seen, until, done } = collect(store, controller.signal);
      await accept(store);
      await until(() => seen.includes("work"));
      controller.abort();
      await done;
    },
    unlessShared,
  );

  check(
    "H3 each change of a job is hinted with its id",
    async ({ store }) => {
      const controller = new AbortController();
      const { jobId, session, attempt } = await start(store);
      const { seen, until, done } = collect(store, controller.signal);
      const hinted = async (change: Promise<unknown>) => {
        seen.length = 0;
        await change;
        await until(() => seen.some((hint) => hint !== "work" && hint.includes(jobId)));
      };
      await hinted(store.cancel([jobId]));
      await hinted(store.settle(session, [{ jobId, attempt, as: "release" }]));
      await hinted(store.redrive([jobId]));
      await hinted(store.openSession("next", longMs).then((next) => take(store, next)));
      controller.abort();
      await done;
    },
    unlessShared,
  );
}

const unlessShared: Unless = ({ exclusive }) =>
  exclusive ? undefined : "hints of an engine that others write to may miss a change";

/** Reads hints in the background. `until` waits for the hint that makes the condition true. */
function collect(store: JobStore, signal: AbortSignal) {
  const seen: ("work" | readonly JobId[])[] = [];
  let waiting: (() => void) | undefined;
  const read = async () => {
    for await (const hint of store.hints(signal)) {
      seen.push(hint);
      waiting?.();
    }
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => (waiting = resolve));
  };
  return { seen, until, done: read() };
}
