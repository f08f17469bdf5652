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
