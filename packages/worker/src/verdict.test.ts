import { expect, test } from "vitest";
import { Reject, RetryLater } from "./handler.ts";
import { errorText, verdictOnReturn, verdictOnThrow } from "./verdict.ts";

const token = { jobId: "0199", attempt: 2 };
const failed = { ...token, failures: 1 };
const policy = { retryBaseMs: 1000, retryMaxMs: 3_600_000 };
const bytes = (text: string) => new TextEncoder().encode(text);

test.for([undefined, ""])("%o is a success without a result", (returned) => {
  expect(verdictOnReturn(token, returned)).toEqual({ ...token, as: "succeeded" });
});

test("a text is the result, as UTF-8", () => {
  expect(verdictOnReturn(token, "grün")).toEqual({ ...token, as: "succeeded", result: bytes("grün") });
});

test("a result has its own memory: a thread would get all that a shared buffer holds", () => {
  const verdict = verdictOnReturn(token, "short");
  expect(verdict.as === "succeeded" && verdict.result?.buffer.byteLength).toBe(5);
});

test("a result may have 65,536 bytes and no more", () => {
  expect(verdictOnReturn(token, "ü".repeat(32_768))).toMatchObject({ as: "succeeded" });
  expect(() => verdictOnReturn(token, `${"ü".repeat(32_768)}.`)).toThrow(
    "the result of a handler must be at most 65536 bytes, got 65537",
  );
});

test.for<[unknown, string]>([
  [42, "a value of type number"],
  [{}, "a value of type object"],
  [null, "null"],
  [new Uint8Array(1), "a value of type object"],
])("%o is no result", ([returned, got]) => {
  expect(() => verdictOnReturn(token, returned)).toThrow(
    `a handler must return a text or nothing, got ${got}`,
  );
});

test("an error is a retry, Reject is the end, RetryLater says when", () => {
  expect(verdictOnThrow(failed, new Error("busy"), policy)).toMatchObject({ as: "retry", error: "busy" });
  expect(verdictOnThrow(failed, new Reject("bad amount"), policy)).toEqual({
    ...token,
    as: "dead",
    error: "bad amount",
  });
  expect(verdictOnThrow(failed, new RetryLater(5, "bank closed"), policy)).toEqual({
    ...token,
    as: "retry",
    delayMs: 5,
    error: "bank closed",
  });
});

const refuse = () => {
  throw new Error("do not look");
};

test("what throws when it is looked at is a retry, with its text if that can be had", () => {
  const late = Object.defineProperty(new RetryLater(1, "bank closed"), "delayMs", { get: refuse });
  expect(verdictOnThrow(failed, late, policy)).toMatchObject({ as: "retry", error: "bank closed" });
  const proxy = new Proxy(new Reject("bad amount"), { has: refuse });
  const { as, ...rest } = verdictOnThrow(failed, proxy, policy);
  expect([as, rest]).toEqual(["retry", { ...token, error: "bad amount", delayMs: expect.any(Number) }]);
});

test.for<[unknown, string]>([
  [new Error("broken"), "broken"],
  [new TypeError(""), "TypeError"],
  [new DOMException("too slow", "TimeoutError"), "too slow"],
  ["a text", "a text"],
  [undefined, "undefined"],
  [null, "null"],
  [7n, "7"],
  [{ code: 1 }, "[object Object]"],
  ["nul \0 and half \uD800 a pair", "nul \uFFFD and half \uFFFD a pair"],
])("%o is told as %s", ([thrown, text]) => {
  expect(errorText(thrown)).toBe(text);
});

/** A chain of that many errors, each the cause of the one before. */
const chain = (length: number): Error =>
  length === 1 ? new Error("e1") : new Error(`e${length}`, { cause: chain(length - 1) });

test.for<[string, unknown, string]>([
  [
    "a cause",
    new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }),
    "fetch failed (cause: connect ECONNREFUSED)",
  ],
  ["a cause that is a text", new Error("no", { cause: "out of paper" }), "no (cause: out of paper)"],
  ["a chain of causes", chain(3), "e3 (cause: e2 (cause: e1))"],
  [
    "an AggregateError",
    new AggregateError([new Error("a"), "b", new Error("c", { cause: "d" })], "All promises were rejected"),
    "All promises were rejected (errors: a; b; c (cause: d))",
  ],
  [
    "a cause with errors and without a message",
    new Error("fetch failed", { cause: new AggregateError([new Error("::1"), new Error("127.0.0.1")]) }),
    "fetch failed (cause: AggregateError (errors: ::1; 127.0.0.1))",
  ],
  ["a Reject with a cause", new Reject("bad amount", { cause: new Error("NaN") }), "bad amount (cause: NaN)"],
])("%s is told", ([, thrown, text]) => {
  expect(errorText(thrown)).toBe(text);
});

test("errors in a circle are told once each, and of very many the first", () => {
  const circle = new Error("a");
  circle.cause = new AggregateError([circle, new Error("c", { cause: circle })], "b");
  expect(errorText(circle)).toBe("a (cause: b (errors: c))");
  expect(errorText(chain(1000))).toMatch(/^e1000 \(cause: e999 .*e985\)+$/);
  const errors = Array.from({ length: 1000 }, (_, n) => new Error(`e${n}`));
  expect(errorText(new AggregateError(errors, "many"))).toMatch(/^many \(errors: e0; e1; .*; e14\)$/);
});

test("a cause that throws when it is looked at is left out", () => {
  const thrown = Object.defineProperty(new Error("broken"), "cause", { get: refuse });
  expect(errorText(thrown)).toBe("broken");
  expect(errorText(new Error("broken", { cause: new Proxy({}, { get: refuse }) }))).toBe(
    "broken (cause: a value of type object was thrown)",
  );
});

test("what cannot become text by itself is told all the same", () => {
  expect(errorText(Symbol("odd"))).toBe("Symbol(odd)");
  expect(errorText(Object.create(null))).toBe("a value of type object was thrown");
  const strange = Object.assign(new Error("x"), { message: Symbol("no text") });
  expect(errorText(strange)).toBe("Symbol(no text)");
});

test.for([
  ["x", 4096],
  ["ü", 2048],
  ["€", 1365],
  ["😀", 1024],
] as const)("an error of many %s is cut to 4,096 bytes between characters", ([character, kept]) => {
  expect(errorText(character.repeat(10_000))).toBe(character.repeat(kept));
});
