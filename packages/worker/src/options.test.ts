import type { JobSource } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { defineHandler } from "./handler.ts";
import { resolveOptions, type WorkerOptions } from "./options.ts";
import { runWorker } from "./worker.ts";

/** A source that must not be called. */
const refuse = () => Promise.reject(new Error("called"));
const source: JobSource = {
  openSession: refuse,
  heartbeat: refuse,
  claim: refuse,
  settle: refuse,
  closeSession: refuse,
  hints: () => {
    throw new Error("called");
  },
};
const handlers = [defineHandler("*", async () => undefined)];
const given: WorkerOptions = { source, handlers, signal: new AbortController().signal };

test("what is not given has a default", () => {
  expect(resolveOptions(given)).toMatchObject({
    concurrency: 64,
    leaseMs: 30_000,
    retryBaseMs: 1000,
    retryMaxMs: 3_600_000,
    handlerTimeoutMs: 900_000,
    drainMs: 5000,
    name: expect.stringContaining(`:${process.pid}`),
  });
});

test("what is given is kept, and the caller's object stays as it is", () => {
  const options = Object.freeze({
    ...given,
    concurrency: 3,
    name: "mail",
    handlers: Object.freeze([...handlers]),
  });
  expect(resolveOptions(options)).toMatchObject({ concurrency: 3, name: "mail", handlers });
  expect(options).toEqual({ ...given, concurrency: 3, name: "mail", handlers });
});

test.for<[Partial<WorkerOptions>, string]>([
  [{ concurrency: 0 }, "concurrency must be a whole number from 1 to 10000, got 0"],
  [{ concurrency: 1.5 }, "concurrency must be a whole number from 1 to 10000, got 1.5"],
  [{ leaseMs: 99 }, "leaseMs must be a whole number from 100 to 3600000, got 99"],
  [{ retryBaseMs: 0 }, "retryBaseMs must be a whole number from 1 to 86400000, got 0"],
  [
    { retryBaseMs: 500, retryMaxMs: 499 },
    "retryMaxMs must be a whole number from 500 to 2592000000, got 499",
  ],
  [{ handlerTimeoutMs: Number.NaN }, "handlerTimeoutMs must be a whole number from 1 to 86400000, got NaN"],
  [{ drainMs: -1 }, "drainMs must be a whole number from 0 to 3600000, got -1"],
  [{ name: "" }, "name must have 1 to 128 characters, got 0"],
  [{ handlers: [] }, "handlers must have at least one handler made by defineHandler, got none"],
])("runWorker refuses %o before it calls the source", async ([bad, message]) => {
  await expect(runWorker({ ...given, ...bad })).rejects.toThrow(message);
});
