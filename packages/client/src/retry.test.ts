import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, test } from "vitest";
import { retryDelayMs } from "./retry.ts";

const policy = { maxTries: 5, retryBaseMs: 100, retryMaxMs: 500 };
const delay = (error: ConnectError, tries = 1, random = 0) => retryDelayMs(error, tries, { policy, random });
const failed = (code: Code) => new ConnectError("failed", code);
const asked = (code: Code, seconds: bigint, nanos = 0) =>
  new ConnectError("later", code, undefined, [
    { desc: RetryInfoSchema, value: { retryDelay: { seconds, nanos } } },
  ]);

test.each([
  { name: "the first delay is the base", got: delay(failed(Code.Unavailable), 1), wanted: 100 },
  { name: "it doubles", got: delay(failed(Code.Unavailable), 2), wanted: 200 },
  { name: "up to the limit", got: delay(failed(Code.Unavailable), 4), wanted: 500 },
  { name: "half of it is random", got: delay(failed(Code.Unavailable), 1, 1), wanted: 50 },
  { name: "the last try is the last", got: delay(failed(Code.Unavailable), 5), wanted: undefined },
  { name: "a longer delay is the server's", got: delay(asked(Code.Unavailable, 2n)), wanted: 2000 },
  { name: "even over our limit", got: delay(asked(Code.Unavailable, 60n), 1, 1), wanted: 60_000 },
  { name: "a shorter one is ours", got: delay(asked(Code.Unavailable, 0n, 1_000_000)), wanted: 100 },
  { name: "nanos count", got: delay(asked(Code.Unavailable, 1n, 500_000_000)), wanted: 1500 },
  { name: "a quota with RetryInfo", got: delay(asked(Code.ResourceExhausted, 1n)), wanted: 1000 },
])("$name", ({ got, wanted }) => expect(got).toBe(wanted));

test("RetryInfo without a delay asks for a retry all the same", () => {
  const error = new ConnectError("quota", Code.ResourceExhausted, undefined, [
    { desc: RetryInfoSchema, value: create(RetryInfoSchema) },
  ]);
  expect(delay(error)).toBe(100);
});

test("of the codes only UNAVAILABLE is tried again, and what the transport says when the connection broke", () => {
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  const tried = codes.filter((code) => delay(failed(code)) !== undefined);
  expect(new Set(tried)).toEqual(new Set([Code.Unavailable, Code.Aborted, Code.Canceled, Code.Internal]));
});

test("an answer of the server is no broken connection", () => {
  const answers = [failed(Code.Aborted), failed(Code.Canceled), failed(Code.Internal)];
  for (const answer of answers) answer.isWireError = true;
  expect(answers.map((answer) => delay(answer))).toEqual([undefined, undefined, undefined]);
});

test.each([
  {
    code: Code.Internal,
    cause: Object.assign(new Error("refused"), { code: "ERR_HTTP2_STREAM_ERROR" }),
    tried: true,
  },
  {
    code: Code.Internal,
    cause: Object.assign(new Error("no HTTP/2"), { code: "ERR_HTTP2_ERROR" }),
    tried: false,
  },
  { code: Code.Unknown, cause: new TypeError("fetch failed"), tried: true },
  { code: Code.Unknown, cause: new Error("something else"), tried: false },
])("code $code with cause $cause is tried again: $tried", ({ code, cause, tried }) => {
  const error = new ConnectError("failed", code, undefined, undefined, cause);
  expect(delay(error) !== undefined).toBe(tried);
});

test("RetryInfo does not turn a lasting error into a passing one", () => {
  expect(delay(asked(Code.InvalidArgument, 1n))).toBeUndefined();
});
