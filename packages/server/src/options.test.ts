import type { JobStore } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveOptions } from "./options.ts";

let store: JobStore;
beforeAll(async () => {
  store = await openSqliteStore("sqlite::memory:");
});
afterAll(() => store.close());

test("what is not given has its default, and the caller's object is left alone", () => {
  const given = Object.freeze({ store });
  const day = 86_400_000;
  expect(resolveOptions(given)).toMatchObject({
    host: "127.0.0.1",
    port: 50051,
    maxAttempts: 12,
    maxPendingEvents: 20_000,
    maxPendingBytes: 67_108_864,
    maxQueuedJobs: 2_000_000,
    policy: { workerLostLimit: 3, keepMs: { SUCCEEDED: 7 * day, CANCELLED: 7 * day, DEAD: 30 * day } },
    lameDuckMs: 0,
    graceMs: 5000,
    hardLimitMs: 25_000,
  });
});

test.each([
  { given: { port: 65_536 }, message: "port must be a whole number from 0 to 65535, got 65536" },
  { given: { port: 1.5 }, message: "port must be a whole number from 0 to 65535, got 1.5" },
  { given: { maxAttempts: 0 }, message: "maxAttempts must be a whole number from 1 to 1000, got 0" },
  {
    given: { maxPendingEvents: 1 },
    message: "maxPendingEvents must be a whole number from 1000 to 10000000, got 1",
  },
  { given: { graceMs: -1 }, message: "graceMs must be a whole number from 0 to 600000, got -1" },
  {
    given: { policy: { workerLostLimit: 3, keepMs: { SUCCEEDED: Number.NaN, DEAD: 1, CANCELLED: 1 } } },
    message: "policy.keepMs.SUCCEEDED must be a whole number from 0 to 9007199254740991, got NaN",
  },
  {
    given: { graceMs: 9000, lameDuckMs: 2000, hardLimitMs: 10_000 },
    message: "hardLimitMs must be a whole number from 11000 to 3600000, got 10000",
  },
])("$message", ({ given, message }) => {
  expect(() => resolveOptions({ store, ...given })).toThrow(message);
});
