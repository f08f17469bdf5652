import { describe, expect, test } from "vitest";
import { checkBatch, findViolation, keptTrace, maxKeyBytes } from "./event-limits.ts";
import type { NewEvent } from "./job-store.ts";

const maxPayloadBytes = 10;

const event = (overrides: Partial<NewEvent> = {}): NewEvent => ({
  tenant: "",
  eventId: "event",
  type: "",
  payload: new Uint8Array(),
  timestamp: 0n,
  maxAttempts: 1,
  ...overrides,
});
const violation = (overrides: Partial<NewEvent> = {}) => findViolation(event(overrides), { maxPayloadBytes });

test("an event at every limit is taken", () => {
  const key = "k".repeat(maxKeyBytes);
  const full = { tenant: key, eventId: key, type: key, payload: new Uint8Array(maxPayloadBytes) };
  expect(violation()).toBeUndefined();
  expect(violation({ ...full, timestamp: 2n ** 63n - 1n, maxAttempts: 1000 })).toBeUndefined();
  expect(violation({ timestamp: -(2n ** 63n), maxAttempts: 1 })).toBeUndefined();
});

test("the event id must not be empty", () => {
  expect(violation({ eventId: "" })).toEqual({
    field: "event_id",
    message: "event_id must not be empty",
  });
});

describe.each([
  { name: "eventId", field: "event_id" },
  { name: "type", field: "type" },
  { name: "tenant", field: "tenant" },
] as const)("$field", ({ name, field }) => {
  test.each([
    ["ASCII", "k", 128],
    ["2 bytes a character", "é", 64],
    ["3 bytes a character", "語", 42],
    ["4 bytes a character", "😀", 32],
  ])("is at most 128 bytes of UTF-8: %s", (_, character, most) => {
    expect(violation({ [name]: character.repeat(most) })).toBeUndefined();
    const tooLong = character.repeat(most + 1);
    expect(violation({ [name]: tooLong })).toEqual({
      field,
      message: `${field} must be at most 128 bytes, got ${Buffer.byteLength(tooLong)}`,
    });
  });

  test("has no U+0000", () => {
    for (const value of ["\0", "a\0b"]) {
      expect(violation({ [name]: value })).toEqual({ field, message: `${field} must not contain U+0000` });
    }
  });

  test("has no lone surrogate", () => {
    for (const value of ["\ud83d", "a\ude00", "\ude00\ud83d"]) {
      expect(violation({ [name]: value })).toEqual({
        field,
        message: `${field} must be well-formed Unicode, got a lone surrogate`,
      });
    }
    expect(violation({ [name]: "\ud83d\ude00" })).toBeUndefined();
  });
});

test("the payload is at most what the store takes", () => {
  expect(violation({ payload: new Uint8Array(maxPayloadBytes + 1) })).toEqual({
    field: "payload",
    message: "payload must be at most 10 bytes, got 11",
  });
});

test.each([2n ** 63n, -(2n ** 63n) - 1n])("the timestamp is an int64: %s", (timestamp) => {
  const message = `timestamp must be an int64, got ${timestamp}`;
  expect(violation({ timestamp })).toEqual({ field: "timestamp", message });
});

test.each([0, -1, 1001, 1.5, NaN, Infinity])("maxAttempts is from 1 to 1000: %s", (maxAttempts) => {
  const message = `max_attempts must be a whole number from 1 to 1000, got ${maxAttempts}`;
  expect(violation({ maxAttempts })).toEqual({ field: "max_attempts", message });
});

test("the first rule that is broken is told", () => {
  const broken = { eventId: "\0", type: "\0", payload: new Uint8Array(maxPayloadBytes + 1), maxAttempts: 0 };
  expect(violation(broken)?.field).toBe("event_id");
  expect(violation({ ...broken, eventId: "event", type: "" })?.field).toBe("payload");
});

test("a batch is refused by its number, its bytes, or the first event that breaks a rule", () => {
  const caps = { maxBatch: 2, maxBatchBytes: 10, maxPayloadBytes: 8 };
  const check = (...events: NewEvent[]) => {
    return () => checkBatch(events, caps);
  };
  const payload = new Uint8Array(5);
  expect(check(event({ payload }), event({ payload }))).not.toThrow();
  expect(check(event(), event(), event())).toThrow("a batch has at most 2 events, got 3");
  expect(check(event({ payload }), event({ payload: new Uint8Array(6) }))).toThrow(
    "a batch has at most 10 bytes of payload, got 11",
  );
  expect(check(event(), event({ type: "\0" }))).toThrow("event 1: type must not contain U+0000");
  expect(check(event({ runAt: Number.NaN }))).toThrow(
    "event 0: run_at must be milliseconds since 1970, got NaN",
  );
});

test("a trace that cannot be a traceparent is dropped", () => {
  const trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
  expect(keptTrace(trace)).toBe(trace);
  for (const none of [undefined, "", "a\nb", "é", "x".repeat(513)]) expect(keptTrace(none)).toBeNull();
});
