import { createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createEventClient } from "./client.ts";
import type { EventClientOptions } from "./options.ts";

const transport = createRouterTransport(() => undefined);

test.each<[Partial<EventClientOptions>, string]>([
  [{ maxTries: 0 }, "maxTries must be a whole number from 1 to 1000000, got 0"],
  [{ retryBaseMs: 0.5 }, "retryBaseMs must be a whole number from 1 to 60000, got 0.5"],
  [{ retryBaseMs: 20, retryMaxMs: 10 }, "retryMaxMs must be a whole number from 20 to 600000, got 10"],
  [{ timeoutMs: 2 ** 31 }, "timeoutMs must be a whole number from 1 to 2147483647, got 2147483648"],
])("%o is refused", (options, message) => {
  expect(() => createEventClient({ transport, ...options })).toThrow(new RangeError(message));
});

test.each([
  [{ batchSize: 1001 }, "batchSize must be a whole number from 1 to 1000, got 1001"],
  [{ concurrency: 0 }, "concurrency must be a whole number from 1 to 100, got 0"],
  [{ timeoutMs: 0 }, "timeoutMs must be a whole number from 1 to 2147483647, got 0"],
])("ingestMany refuses %o before it reads", (options, message) => {
  const client = createEventClient({ transport });
  expect(() => client.ingestMany([], options)).toThrow(new RangeError(message));
});

test("calls check their options", async () => {
  const client = createEventClient({ transport });
  await expect(client.ingest({ payload: "" }, { timeoutMs: -1 })).rejects.toThrow(RangeError);
  await expect(client.status("x", { timeoutMs: Number.NaN })).rejects.toThrow(RangeError);
  await expect(client.waitUntilDone("x", { pollMs: 0 })).rejects.toThrow(RangeError);
});
