import type { Hint, JobId, JobStore } from "../job-store.ts";
import { expect } from "vitest";
import type { Case } from "./case.ts";
import { accept, acceptAll, endings, newEvents, longMs, start, suspects, take, verdictOn } from "./steps.ts";

/** Hints are lossy by contract, except that an exclusive engine tells of every change, or of all. */
export function hintCases(check: Case): void {
  check("H1 hints end when the signal aborts, before and while waiting", async ({ store }) => {
    for await (const hint of store.hints(AbortSignal.abort())) throw new Error(`got ${String(hint)}`);
    const controller = new AbortController();
    const ended = collect(store, controller.signal);
    await accept(store);
    controller.abort();
    await ended.done;
  });

  check("H2 new work is hinted", async ({ store, skip }) => {
    skip(!store.caps.exclusive, maybeMissed);
    const controller = new AbortController();
    const { hinted, done } = collect(store, controller.signal);
    await hinted(
      (hint) => hint === "work",
      () => accept(store),
    );
    controller.abort();
    await done;
  });

  check("H3 each change of a job is hinted with its id", async ({ store, skip }) => {
    skip(!store.caps.exclusive, maybeMissed);
    const controller = new AbortController();
    const { jobId, session, attempt } = await start(store);
    const { hinted, done } = collect(store, controller.signal);
    const isHint = (hint: Hint) => typeof hint !== "string" && hint.includes(jobId);
    await hinted(isHint, () => store.cancel([jobId]));
    await hinted(isHint, () => store.settle(session, [{ jobId, attempt, as: "release" }]));
    await hinted(isHint, () => store.redrive([jobId]));
    const next = await store.openSession("next", longMs);
    await hinted(isHint, () => take(store, next));
    controller.abort();
    await done;
  });

  check(
    "H4 work is hinted to those who waited for a job that runs alone",
    async ({ engine, store, skip }) => {
      skip(!store.caps.exclusive, maybeMissed);
      const controller = new AbortController();
      const { jobId, session } = await start(store);
      const [alone = ""] = await suspects(engine, 1);
      await accept(store);
      const { hinted, done } = collect(store, controller.signal);
      await hinted(isWork, () => store.settle(session, [verdictOn(jobId, endings.SUCCEEDED)]));
      await hinted(isWork, () => take(store, session));
      await hinted(isWork, () => store.settle(session, [verdictOn(alone, endings.SUCCEEDED, 3)]));
      controller.abort();
      await done;
    },
  );

  check(
    "H4 work is hinted to those who waited for a job that runs alone, when it is cancelled",
    async ({ engine, store, skip }) => {
      skip(!store.caps.exclusive, maybeMissed);
      const controller = new AbortController();
      await start(store);
      const alone = await suspects(engine, 1);
      await accept(store);
      const { hinted, done } = collect(store, controller.signal);
      await hinted(isWork, () => store.cancel(alone));
      controller.abort();
      await done;
    },
  );

  check("H5 a listener that is far behind hears of each change, or of all", async ({ store, skip }) => {
    skip(!store.caps.exclusive, maybeMissed);
    const controller = new AbortController();
    const hints = store.hints(controller.signal)[Symbol.asyncIterator]();
    const changed = new Set<JobId>();
    while (changed.size < 11_000) {
      const ids = await acceptAll(store, newEvents(store.caps.maxBatch));
      await store.cancel(ids);
      for (const jobId of ids) changed.add(jobId);
    }
    const marker = await accept(store);
    const heard = new Set<string>();
    const listen = async () => {
      const { value } = await hints.next();
      for (const hint of typeof value === "object" ? value : [value]) heard.add(hint);
    };
    while (heard.size <= 1) await listen();
    await store.cancel([marker]);
    while (!heard.has(marker) && !heard.has("all")) await listen();
    expect(heard.has("all") || [...changed].every((jobId) => heard.has(jobId))).toBe(true);
    controller.abort();
  });
}

const maybeMissed = "hints of an engine that others write to may miss a change";

/** Reads hints in the background. `hinted` waits for such a hint that was not there before the change. */
function collect(store: JobStore, signal: AbortSignal) {
  const seen: Hint[] = [];
  let waiting: (() => void) | undefined;
  const read = async () => {
    for await (const hint of store.hints(signal)) {
      seen.push(hint);
      waiting?.();
    }
  };
  const hinted = async (isHint: (hint: Hint) => boolean, change: () => Promise<unknown>) => {
    // What an exclusive engine hints of one call is heard before it answers the next.
    await store.counts();
    seen.length = 0;
    await change();
    while (!seen.some(isHint)) await new Promise<void>((resolve) => (waiting = resolve));
  };
  return { hinted, done: read() };
}

const isWork = (hint: Hint) => hint === "work";
