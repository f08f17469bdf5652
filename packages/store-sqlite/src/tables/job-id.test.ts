import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type JobKey, formatJobId, parseJobId } from "./job-id.ts";

const anyKey: fc.Arbitrary<JobKey> = fc.record({
  at: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  seq: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  salt: fc.integer({ min: 0, max: 2 ** 22 - 1 }),
});

test("an id is a UUIDv7 and gives back what it was made of", () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      const id = formatJobId(key);
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(parseJobId(id)).toEqual(key);
    }),
  );
});

test("ids sort by time, then by seq, whatever their salt", () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      fc.pre(a.at !== b.at || a.seq !== b.seq);
      const isEarlier = a.at === b.at ? a.seq < b.seq : a.at < b.at;
      expect(formatJobId(a) < formatJobId(b)).toBe(isEarlier);
    }),
  );
});

test.each([
  ["", "nothing"],
  ["0199aaaa-0000-4000-8000-000000000001", "another version"],
  ["0199aaaa-0000-7001-8000-000000000001", "another shard"],
  ["0199aaaa-0000-7000-0000-000000000001", "another variant"],
  ["0199aaaa-0000-7000-c000-000000000001", "a variant to come"],
  ["0199AAAA-0000-7000-8000-000000000001", "upper case"],
  ["0199aaaa-0000-7000-8000-0000000000011", "one digit more"],
  ["\n0199aaaa-0000-7000-8000-000000000001", "a line break"],
  ["0199aaaa-0000-7000-8000-000000000001\n", "a line break behind"],
])("%j is no id: %s", (id) => {
  expect(parseJobId(id)).toBeUndefined();
});
