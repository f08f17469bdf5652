import { expect, test } from "vitest";
import { checkKeepMs } from "./policy-limits.ts";

const keepMs = { SUCCEEDED: 0, DEAD: 1.5, CANCELLED: 1e12 };

test("any time from 0 can be kept", () => {
  expect(() => checkKeepMs(keepMs)).not.toThrow();
});

test.for(["SUCCEEDED", "DEAD", "CANCELLED"])(
  "what is no time is refused for %s, with what was got",
  (state) => {
    for (const ms of [Number.NaN, -1, Infinity, "7d", undefined, null]) {
      const wrong = { ...keepMs };
      Reflect.set(wrong, state, ms);
      const message = `keepMs.${state} must be a number of milliseconds from 0, got ${ms}`;
      expect(() => checkKeepMs(wrong)).toThrow(message);
    }
  },
);
