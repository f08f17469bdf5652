import { create } from "@bufbuild/protobuf";
import { EventRequestSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { checkEvents } from "./validate.ts";

const rules = { tenant: "", maxAttempts: 3, caps: { maxPayloadBytes: 1_000_000 } };

function payloadsOf(texts: readonly string[]): (string | undefined)[] {
  const requests = texts.map((payload) => create(EventRequestSchema, { eventId: "e", payload }));
  return checkEvents(requests, rules).map((checked) =>
    "payload" in checked ? Buffer.from(checked.payload).toString() : undefined,
  );
}

test.each([
  ["nothing", [""]],
  ["one", ["payload"]],
  ["many, of all lengths of UTF-8", ["a", "", "é", "漢", "😀", "b".repeat(1000)]],
  ["more than what small ones share", ["x".repeat(70_000), "y".repeat(200_000)]],
])("payloads as bytes: %s", (_, texts) => {
  // What was checked before must not be where others are written.
  const before = payloadsOf(["before"]);
  expect(payloadsOf(texts)).toEqual(texts);
  expect(before).toEqual(["before"]);
});

test("payloads that live at the same time have places of their own", () => {
  const texts = Array.from({ length: 500 }, (_, index) => `payload ${index}`);
  const checked = texts.map((payload) =>
    checkEvents([create(EventRequestSchema, { eventId: "e", payload })], rules),
  );
  const payloads = checked
    .flat()
    .map((each) => ("payload" in each ? Buffer.from(each.payload).toString() : each));
  expect(payloads).toEqual(texts);
});

test.each([
  ["a nanosecond is rounded up", { seconds: 5n, nanos: 1 }, 5001],
  ["a whole millisecond is not", { seconds: 5n, nanos: 7_000_000 }, 5007],
  ["before 1970, too", { seconds: -1n, nanos: 999_999_999 }, 0],
  [
    "the last instant stays in year 9999",
    { seconds: 253_402_300_799n, nanos: 999_999_999 },
    253_402_300_799_999,
  ],
])("process_after in ms: %s", (_, processAfter, runAt) => {
  expect(checkEvents([create(EventRequestSchema, { eventId: "e", processAfter })], rules)).toMatchObject([
    { runAt },
  ]);
});
