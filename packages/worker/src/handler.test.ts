import { expect, test } from "vitest";
import { checkHandlers, defineHandler, isReject, isRetryLater, Reject, RetryLater } from "./handler.ts";

const nothing = async () => undefined;

test.for<[unknown, unknown, string]>([
  ["", nothing, 'the type of a handler must be a text, "*" for the default handler, got an empty text'],
  [
    7,
    nothing,
    'the type of a handler must be a text, "*" for the default handler, got a value of type number',
  ],
  ["a", "b", 'the handler for "a" must be a function, got a value of type string'],
])("defineHandler(%o, %o) is refused", ([type, run, message]) => {
  expect(() => Reflect.apply(defineHandler, undefined, [type, run])).toThrow(new TypeError(message));
});

test.for<[unknown, string]>([
  [undefined, "must be an array of handlers made by defineHandler, got undefined"],
  [{}, "must be an array of handlers made by defineHandler, got a value of type object"],
  [[], "must have at least one handler made by defineHandler, got none"],
  [
    [defineHandler("a", nothing), { type: "b", run: nothing }],
    "must hold only handlers made by defineHandler, got a value of type object at index 1",
  ],
  [[nothing], "must hold only handlers made by defineHandler, got a value of type function at index 0"],
  [[null], "must hold only handlers made by defineHandler, got null at index 0"],
  [
    [defineHandler("a", nothing), defineHandler("b", nothing), defineHandler("a", nothing)],
    'must have one handler for each type, got two for "a"',
  ],
])("%o is no list of handlers", ([value, message]) => {
  expect(() => checkHandlers("handlers", value)).toThrow(`handlers ${message}`);
});

test.for([-1, Number.NaN, Number.POSITIVE_INFINITY, 366 * 24 * 3600 * 1000])(
  "RetryLater refuses a delay of %d ms",
  (delayMs) => {
    expect(() => new RetryLater(delayMs)).toThrow(RangeError);
  },
);

test("RetryLater has a reason of its own when none is given", () => {
  expect(new RetryLater(200).message).toBe("to be tried again in 200 ms");
});

test("what another copy of the package made is known", async () => {
  const copy: string = "./handler.ts?copy";
  const other: typeof import("./handler.ts") = await import(copy);
  expect(new other.Reject("no")).not.toBeInstanceOf(Reject);
  expect(isReject(new other.Reject("no"))).toBe(true);
  expect(isRetryLater(new other.RetryLater(1))).toBe(true);
  expect(checkHandlers("handlers", [other.defineHandler("a", nothing)])).toHaveLength(1);
});

test("a Reject is no RetryLater, and an error is neither", () => {
  expect([isReject(new Reject("no")), isRetryLater(new Reject("no"))]).toEqual([true, false]);
  expect([isReject(new RetryLater(1)), isRetryLater(new RetryLater(1))]).toEqual([false, true]);
  expect([isReject(new Error("no")), isRetryLater("no"), isReject(null)]).toEqual([false, false, false]);
});
