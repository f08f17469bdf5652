import type { JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Mapping, toEvent } from "./record-event.ts";

const mapping: Mapping = { name: "orders.ndjson", type: "", fields: {} };

/** The event of a line of NDJSON. */
function eventOf(text: string, given: Partial<Mapping> = {}, place = 1) {
  const value: JsonValue = JSON.parse(text);
  return toEvent({ place, raw: text, text, value }, { ...mapping, ...given });
}

describe("without fields", () => {
  test.each([
    ["an object", '{"id": 1.0}'],
    ["an object with payload and more", '{"payload":"x","other":1}'],
    ["an object with names of ours but no payload", '{"type":"x","timestamp":1}'],
    ["a list", "[1, 2]"],
    ["a string", '"x"'],
    ["null", "null"],
  ])("%s is the payload as it is written", (_name, text) => {
    expect(eventOf(text, { type: "t" })).toMatchObject({ payload: text, type: "t" });
  });

  test("an object of nothing but our names is the event", () => {
    const text = `{"payload":"p","type":"order","event_id":"e1","timestamp":-5,"process_after":"2026-11-23T00:00:00Z"}`;
    expect(eventOf(text, { type: "t" })).toEqual({
      payload: "p",
      type: "order",
      eventId: "e1",
      timestamp: -5n,
      processAfter: expect.objectContaining({ seconds: 1_795_392_000n }),
    });
  });

  test("what it does not say is left out, or of --type", () => {
    const event = eventOf('{"payload":"p"}', { type: "t" });
    expect(event).toMatchObject({ payload: "p", type: "t" });
    expect(event).not.toHaveProperty("timestamp");
  });

  test("a payload that is no string is JSON as it is written", () => {
    const payload = '{"id": 18446744073709551616, "price": 1.0, "list": [1e3, "x"], "a": 1, "a": 2}';
    expect(eventOf(`{"payload": ${payload} }`)).toMatchObject({ payload });
  });

  test.each([
    ["1700000000000000001", 1_700_000_000_000_000_001n],
    ["-9007199254740993", -9_007_199_254_740_993n],
    ["1700000000000.0", 1_700_000_000_000n],
    ['"1700000000000000001"', 1_700_000_000_000_000_001n],
    ["9223372036854775807", 2n ** 63n - 1n],
  ])("a timestamp of %s is exact", (source, timestamp) => {
    expect(eventOf(`{"timestamp":${source},"payload":"p"}`)).toMatchObject({ timestamp });
  });

  test.each([
    ['{"payload":"p","timestamp":"soon"}', "timestamp"],
    [
      '{"payload":"p","timestamp":1.7e18}',
      "timestamp must be a whole number of ms, written in digits, got 1.7e18",
    ],
    ['{"payload":"p","timestamp":1700000000000.0001}', "got 1700000000000.0001"],
    ['{"payload":"p","timestamp":9223372036854775808}', "9223372036854775808"],
    ['{"payload":"p","payload":"q"}', 'field "payload" is there twice'],
    ['{"payload":"p","event_id":"a","\\u0065vent_id":"b"}', 'field "event_id" is there twice'],
    ['{"payload":"p","event_id":"a","eventId":"b"}', "set multiple times"],
    ['{"payload":"p","process_after":"tomorrow"}', "RFC 3339"],
    ['{"payload":"p","type":5}', "type"],
  ])("%s is rejected, and the reason says why", (text, reason) => {
    expect(eventOf(text)).toEqual({ problem: expect.stringContaining(reason) });
  });
});

describe("with fields", () => {
  test("the named fields are the parts, the whole is the payload", () => {
    const text = '{"kind":"order","id":12345678901234567890,"payload":"p"}';
    expect(eventOf(text, { fields: { type: "kind", id: "id" } })).toEqual({
      payload: text,
      type: "order",
      eventId: "12345678901234567890",
    });
  });

  test("the payload may be a field", () => {
    const fields = { payload: "body" };
    expect(eventOf('{"body":"text"}', { fields })).toMatchObject({ payload: "text" });
    expect(eventOf('{"body":{"a":1.0}}', { fields })).toMatchObject({ payload: '{"a":1.0}' });
    expect(eventOf('{"body":null}', { fields })).toMatchObject({ payload: "null" });
  });

  test("a type that is a number is as it is written", () => {
    expect(typeOf("12345678901234567890")).toMatchObject({ type: "12345678901234567890" });
    expect(typeOf("1.0")).toMatchObject({ type: "1.0" });
    expect(typeOf("true")).toMatchObject({ type: "true" });
  });

  test.each(["toString", "constructor", "__proto__"])("a field %s that is not there is not there", (name) => {
    expect(eventOf("{}", { type: "t", fields: { type: name } })).toMatchObject({ type: "t" });
    expect(eventOf("{}", { fields: { id: name } })).toEqual({
      problem: `field "${name}" must be an id, got nothing`,
    });
    expect(eventOf("{}", { fields: { payload: name } })).toEqual({ problem: `field "${name}" is missing` });
    expect(eventOf(`{"${name}":"x"}`, { fields: { type: name } })).toMatchObject({ type: "x" });
  });

  test("null is no type", () => {
    expect(eventOf('{"kind":null}', { type: "t", fields: { type: "kind" } })).toMatchObject({ type: "t" });
  });

  test("without the type field it has the type of --type", () => {
    expect(eventOf('{"id":1}', { type: "t", fields: { type: "kind" } })).toMatchObject({ type: "t" });
  });

  test.each<[string, Mapping["fields"], string]>([
    ["[]", { type: "kind" }, "must be an object"],
    ['{"kind":{}}', { type: "kind" }, 'field "kind" must be a text'],
    ["{}", { id: "id" }, 'field "id" must be an id, got nothing'],
    ['{"id":""}', { id: "id" }, 'field "id" must be an id, got nothing'],
    ['{"id":null}', { id: "id" }, 'field "id" must be an id, got nothing'],
    ['{"id":1,"a":{"id":3},"id":2}', { id: "id" }, 'field "id" is there twice'],
    ['{"id":[]}', { id: "id" }, 'field "id" must be a text or a number'],
    ["{}", { payload: "body" }, 'field "body" is missing'],
  ])("%s with %o is rejected", (text, fields, problem) => {
    expect(eventOf(text, { fields })).toEqual({ problem });
  });
});

describe("an id that is made", () => {
  test("is the same for the same line of the same file", () => {
    expect(idOf('{"a":1}')).toMatch(/^[0-9a-f]{32}$/);
    expect(idOf('{"a":1}')).toBe(idOf('{"a":1}'));
  });

  test("is another one for whatever is another event", () => {
    const ids = [
      idOf('{"a":1}'),
      idOf('{"a":2}'),
      idOf('{"a":1}', {}, 2),
      idOf('{"a":1}', { type: "t" }),
      idOf('{"a":1}', { name: "others.ndjson" }),
    ];
    expect(new Set(ids).size).toBe(5);
  });
});

/** The event of a record whose field of the type is `source`. */
function typeOf(source: string) {
  return eventOf(`{"kind":${source}}`, { fields: { type: "kind" } });
}

/** The id that a line of NDJSON gets. */
function idOf(...args: Parameters<typeof eventOf>) {
  const event = eventOf(...args);
  return "problem" in event ? event.problem : event.eventId;
}
