import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type Batcher, createBatcher } from "./batcher.ts";
import type { Caller } from "./late-callers.ts";
import { StoreError } from "./store-error.ts";

/** A batcher over calls that the test answers by hand. */
function setup(
  overrides: Partial<
    Record<"concurrency" | "maxBatch" | "maxBatchBytes" | "maxPending", number> & { early: boolean }
  > = {},
) {
  const calls: { items: readonly string[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const batcher = createBatcher<string, string>({
    run: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, answer: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
      }),
    concurrency: 1,
    maxBatch: 4,
    maxBatchBytes: 100,
    maxPending: 6,
    maxPendingBytes: 200,
    bytesOf: (item) => item.length,
    ...overrides,
  });
  const answerAll = async () => {
    for (let next = 0; next < calls.length; next++) {
      calls[next]?.answer();
      await settled();
    }
  };
  return { batcher, calls, answerAll };
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** What a turn of the event loop brought is called at its end. */
const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("an idle batcher calls in the same turn of the event loop, with all that came in it", async () => {
  const { batcher, calls, answerAll } = setup();
  const answers = [batcher.submit(["a"]), batcher.submit(["b"])];
  await settled();
  expect(calls.map(({ items }) => items)).toEqual([["a", "b"]]);
  await answerAll();
  expect(await Promise.all(answers)).toEqual([["A"], ["B"]]);
});

test("groups that wait share the next call, in order, each with its own results", async () => {
  const { batcher, calls, answerAll } = setup();
  const { answer } = await underWay(batcher, ["a"]);
  const answers = [answer, batcher.submit(["b", "c"]), batcher.submit(["d"])];
  await answerAll();
  expect(calls.map(({ items }) => items)).toEqual([["a"], ["b", "c", "d"]]);
  expect(await Promise.all(answers)).toEqual([["A"], ["B", "C"], ["D"]]);
});

test("the next call is under way before the groups of the last one are answered", async () => {
  const { batcher, calls } = setup();
  const { answer } = await underWay(batcher, ["a"]);
  void batcher.submit(["b"]);
  const atAnswer = answer.then(() => calls.map(({ items }) => items));
  calls[0]?.answer();
  expect(await atAnswer).toEqual([["a"], ["b"]]);
});

test("a group is never split: one that does not fit waits for the call after", async () => {
  const { batcher, calls, answerAll } = setup();
  const { answer } = await underWay(batcher, ["a"]);
  const answers = [answer, batcher.submit(["b", "c", "d"]), batcher.submit(["e", "f"])];
  await answerAll();
  expect(calls.map(({ items }) => items)).toEqual([["a"], ["b", "c", "d"], ["e", "f"]]);
  expect(await Promise.all(answers)).toEqual([["A"], ["B", "C", "D"], ["E", "F"]]);
});

test("a call holds at most maxBatchBytes, unless one group alone is larger", async () => {
  const { batcher, calls, answerAll } = setup({ maxBatchBytes: 3 });
  await underWay(batcher, ["x"]);
  void batcher.submit(["aa"]);
  void batcher.submit(["bb"]);
  void batcher.submit(["ccccc"]);
  await answerAll();
  expect(calls.map(({ items }) => items)).toEqual([["x"], ["aa"], ["bb"], ["ccccc"]]);
});

test("as many calls are under way as concurrency allows", async () => {
  const { batcher, calls } = setup({ concurrency: 2 });
  for (const item of ["a", "b", "c"]) await underWay(batcher, [item]);
  expect(calls.map(({ items }) => items)).toEqual([["a"], ["b"]]);
});

test("many small groups are handed over early: once as many wait as the last call took, in one more call", async () => {
  const { batcher, calls, answerAll } = setup({ early: true, maxBatch: 30, maxPending: 100 });
  const submit = (count: number) => Array.from({ length: count }, () => batcher.submit(["a"]));
  const sizes = () => calls.map(({ items }) => items.length);
  const answers = submit(9);
  await settled();
  answers.push(...submit(8));
  await settled();
  expect(sizes()).toEqual([9]);
  answers.push(...submit(1));
  await settled();
  expect(sizes()).toEqual([9, 9]);
  answers.push(...submit(9));
  await settled();
  expect(sizes()).toEqual([9, 9]);
  await answerAll();
  expect(sizes()).toEqual([9, 9, 9]);
  expect(await Promise.all(answers)).toHaveLength(27);
});

test("few groups, and what would make the store's work longer than a full call, are not handed over early", async () => {
  const few = setup({ early: true, maxBatch: 100, maxPending: 100 });
  await underWay(few.batcher, ["a"]);
  for (let n = 0; n < 7; n++) void few.batcher.submit(["b"]);
  const large = setup({ early: true, maxBatch: 30, maxPending: 100 });
  for (let n = 0; n < 8; n++) void large.batcher.submit(["a", "b"]);
  await settled();
  for (let n = 0; n < 8; n++) void large.batcher.submit(["c", "d"]);
  await settled();
  const heavy = setup({ early: true, maxBatch: 100, maxBatchBytes: 15, maxPending: 100 });
  const unasked = setup({ maxBatch: 100, maxPending: 100 });
  for (const items of [["a"], ["b"]]) {
    for (let n = 0; n < 8; n++) void heavy.batcher.submit(items);
    for (let n = 0; n < 8; n++) void unasked.batcher.submit(items);
    await settled();
  }
  expect([few, large, heavy, unasked].map(({ calls }) => calls.length)).toEqual([1, 1, 1, 1]);
});

test("a failed call rejects all its groups with the same error, and the next call goes on", async () => {
  const { batcher, calls, answerAll } = setup();
  const { answer: first } = await underWay(batcher, ["a"]);
  const waiting = [batcher.submit(["b"]), batcher.submit(["c"])];
  const outcomes = Promise.allSettled(waiting);
  calls[0]?.answer();
  await first;
  await settled();
  const broken = new StoreError("unknown", "unavailable", "the disk went away");
  calls[1]?.fail(broken);
  expect((await outcomes).map((outcome) => outcome.status === "rejected" && outcome.reason)).toEqual([
    broken,
    broken,
  ]);
  const later = batcher.submit(["d"]);
  await settled();
  await answerAll();
  expect(await later).toEqual(["D"]);
});

test("too many items or bytes waiting are refused at once and nothing of them is called", async () => {
  const { batcher, calls, answerAll } = setup({ maxPending: 2 });
  const { answer } = await underWay(batcher, ["a"]);
  const accepted = [answer, batcher.submit(["b", "c"])];
  await expect(batcher.submit(["d"])).rejects.toMatchObject({ outcome: "notApplied", reason: "overloaded" });
  await answerAll();
  expect(await Promise.all(accepted)).toEqual([["A"], ["B", "C"]]);
  expect(calls.flatMap(({ items }) => items)).not.toContain("d");
});

test("what was answered makes room again", async () => {
  const { batcher, answerAll } = setup({ maxPending: 1 });
  const { answer } = await underWay(batcher, ["a"]);
  const early = [answer, batcher.submit(["b"])];
  await expect(batcher.submit(["c"])).rejects.toMatchObject({ reason: "overloaded" });
  await answerAll();
  await Promise.all(early);
  const late = batcher.submit(["c"]);
  await answerAll();
  expect(await late).toEqual(["C"]);
});

test("a group over maxBatch is refused as invalid", async () => {
  const { batcher } = setup();
  await expect(batcher.submit(["a", "b", "c", "d", "e"])).rejects.toMatchObject({ reason: "invalid" });
});

test("an abort takes a waiting group out and frees its place", async () => {
  const { batcher, calls, answerAll } = setup({ maxPending: 1 });
  const { caller, abort } = controller();
  await underWay(batcher, ["a"]);
  const waiting = batcher.submit(["b"], caller);
  abort(new Error("deadline"));
  await expect(waiting).rejects.toThrow("deadline");
  const next = batcher.submit(["c"]);
  await answerAll();
  expect(await next).toEqual(["C"]);
  expect(calls.flatMap(({ items }) => items)).toEqual(["a", "c"]);
});

test("what was aborted is let go at once, however long the call before it takes", async () => {
  const { batcher, answerAll } = setup();
  const { caller, abort } = controller();
  const { answer: first } = await underWay(batcher, ["a"]);
  const submitWatched = () => {
    const group = ["b"];
    return { answer: batcher.submit(group, caller), group: new WeakRef(group) };
  };
  const aborted = submitWatched();
  const last = batcher.submit(["c"]);
  abort(new Error("deadline"));
  await expect(aborted.answer).rejects.toThrow("deadline");
  await settled();
  collectGarbage();
  expect(aborted.group.deref()).toBeUndefined();
  await answerAll();
  expect(await Promise.all([first, last])).toEqual([["A"], ["C"]]);
});

test("an abort changes nothing once the call is under way", async () => {
  const { batcher, answerAll } = setup();
  const { caller, abort } = controller();
  const { answer } = await underWay(batcher, ["a"], caller);
  abort(new Error("deadline"));
  await answerAll();
  expect(await answer).toEqual(["A"]);
});

test("whoever waits is asked late for a signal, and once; it may have aborted before", async () => {
  const { batcher, calls, answerAll } = setup();
  let asked = 0;
  const caller = {
    get signal() {
      asked++;
      return AbortSignal.abort(new Error("gone"));
    },
  };
  const { answer } = await underWay(batcher, ["a"], caller);
  expect(asked).toBe(0);
  await expect(batcher.submit(["b"], caller)).rejects.toThrow("gone");
  expect(asked).toBe(1);
  await answerAll();
  expect(await answer).toEqual(["A"]);
  expect(calls.map(({ items }) => items)).toEqual([["a"]]);
});

test("many that are aborted leave, the others keep their order", async () => {
  const { batcher, calls, answerAll } = setup({ maxPending: 100, maxBatch: 90 });
  await underWay(batcher, ["first"]);
  const { caller, abort } = controller();
  const names = Array.from({ length: 90 }, (_, n) => `${n}`);
  const answers = names.map((name, n) => batcher.submit([name], n % 10 === 3 ? undefined : caller));
  abort(new Error("deadline"));
  const outcomes = await Promise.all([answerLater(), ...answers.map((answer) => answer.catch(String))]);
  const left = names.filter((_, n) => n % 10 === 3);
  expect(outcomes.slice(1)).toEqual(names.map((name) => (left.includes(name) ? [name] : "Error: deadline")));
  expect(calls.map(({ items }) => items)).toEqual([["first"], left]);

  async function answerLater() {
    await Promise.allSettled(answers.filter((_, n) => n % 10 !== 3));
    await answerAll();
  }
});

test("calls that end at once leave a turn to others", async () => {
  const batcher = createBatcher<string, string>({
    run: async (items) => [...items],
    concurrency: 1,
    maxBatch: 1,
    maxBatchBytes: 100,
    maxPending: 6,
    maxPendingBytes: 200,
    bytesOf: () => 1,
  });
  let calls = 0;
  const stop = new AbortController();
  const caller = async () => {
    while (!stop.signal.aborted && calls++ < 10_000) await batcher.submit(["a"]);
  };
  setTimeout(() => stop.abort(), 1);
  await Promise.all([caller(), caller()]);
  expect(stop.signal.aborted).toBe(true);
});

test("a call that answers other items than it was asked for answers nobody", async () => {
  const batcher = createBatcher<string, string>({
    run: async () => ["a"],
    concurrency: 1,
    maxBatch: 4,
    maxBatchBytes: 100,
    maxPending: 6,
    maxPendingBytes: 200,
    bytesOf: () => 1,
  });
  const answers = await Promise.allSettled([batcher.submit(["a"]), batcher.submit(["b"])]);
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await batcher.close();
});

test("close calls what waits, then refuses", async () => {
  const { batcher, calls, answerAll } = setup();
  const { answer } = await underWay(batcher, ["a"]);
  const answers = [answer, batcher.submit(["b"])];
  let closed = false;
  const closing = batcher.close().then(() => (closed = true));
  await expect(batcher.submit(["c"])).rejects.toMatchObject({ outcome: "notApplied", reason: "unavailable" });
  calls[0]?.answer();
  await settled();
  expect(closed).toBe(false);
  await answerAll();
  await closing;
  expect(await Promise.all(answers)).toEqual([["A"], ["B"]]);
});

async function underWay(batcher: Batcher<string, string>, group: string[], caller?: Caller) {
  const answer = batcher.submit(group, caller);
  await settled();
  return { answer };
}

function controller() {
  const aborter = new AbortController();
  return { caller: { signal: aborter.signal }, abort: (reason: Error) => aborter.abort(reason) };
}

test("says how much waits, without what is under way", async () => {
  const { batcher, answerAll } = setup();
  const { answer } = await underWay(batcher, ["a"]);
  expect(batcher.pending).toEqual({ items: 0, bytes: 0 });
  const answers = [answer, batcher.submit(["bb", "c"]), batcher.submit(["ddd"])];
  expect(batcher.pending).toEqual({ items: 3, bytes: 6 });
  await answerAll();
  await Promise.all(answers);
  expect(batcher.pending).toEqual({ items: 0, bytes: 0 });
});
