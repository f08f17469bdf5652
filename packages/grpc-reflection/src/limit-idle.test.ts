import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limitIdle } from "./limit-idle.ts";

const idleMs = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A source that gives 0, 1, 2 and so on, each when `send` is called. */
function setup() {
  let told = Promise.withResolvers<void>();
  async function* numbers() {
    for (let n = 0; ; n++) {
      await told.promise;
      told = Promise.withResolvers<void>();
      yield n;
    }
  }
  const controller = new AbortController();
  const limited = limitIdle(numbers(), { idleMs, signal: controller.signal });
  return { send: () => told.resolve(), limited, controller };
}

test("each message may take its time anew", async () => {
  const { send, limited } = setup();
  for (let n = 0; n < 3; n++) {
    const next = limited.next();
    await vi.advanceTimersByTimeAsync(idleMs - 1);
    send();
    expect(await next).toEqual({ done: false, value: n });
  }
});

test("ends when a message takes too long, and leaves no timer", async () => {
  const { limited } = setup();
  const [next] = await Promise.allSettled([limited.next(), vi.advanceTimersByTimeAsync(idleMs)]);
  expect(next).toMatchObject({
    status: "rejected",
    reason: { code: Code.DeadlineExceeded, rawMessage: "no message for 1000 ms" },
  });
  expect(vi.getTimerCount()).toBe(0);
});

test("the time that the reader takes does not count", async () => {
  const { send, limited } = setup();
  send();
  expect(await limited.next()).toEqual({ done: false, value: 0 });
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(10 * idleMs);
  send();
  expect(await limited.next()).toEqual({ done: false, value: 1 });
});

test("ends with the source, and leaves no timer", async () => {
  const { signal } = new AbortController();
  const source = (async function* () {
    yield "only";
  })();
  const limited = limitIdle(source, { idleMs, signal });
  expect(await limited.next()).toEqual({ done: false, value: "only" });
  expect(await limited.next()).toEqual({ done: true, value: undefined });
  expect(vi.getTimerCount()).toBe(0);
});

test("fails as its source fails, and leaves no timer", async () => {
  const { signal } = new AbortController();
  const source = (async function* () {
    yield "first";
    throw new Error("broken");
  })();
  const limited = limitIdle(source, { idleMs, signal });
  await limited.next();
  await expect(limited.next()).rejects.toThrow("broken");
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  ["while it waits", true],
  ["before it waits", false],
])("ends when the signal aborts %s", async (_when, waits) => {
  const { send, limited, controller } = setup();
  send();
  await limited.next();
  const early = waits ? limited.next() : undefined;
  const reason = new Error("going away");
  controller.abort(reason);
  await expect(early ?? limited.next()).rejects.toBe(reason);
  expect(vi.getTimerCount()).toBe(0);
});
