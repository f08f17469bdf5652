import { Code } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, test } from "vitest";
import { retryLater } from "./retry-info.ts";

test.each([
  [undefined, 1000],
  [0, 100],
  [2500, 2500],
  [1e9, 30_000],
  [Infinity, 30_000],
])("a delay of %s ms is told as one of %s, spread by a fifth", (delayMs, toldMs) => {
  const told = Array.from({ length: 200 }, () => {
    const error = retryLater("later", delayMs);
    expect(error.code).toBe(Code.Unavailable);
    const [retry] = error.findDetails(RetryInfoSchema);
    const ms = Number(retry?.retryDelay?.seconds) * 1000 + Number(retry?.retryDelay?.nanos) / 1e6;
    const seconds = Number(error.metadata.get("retry-after"));
    expect(seconds).toBeGreaterThanOrEqual(ms / 1000);
    expect(seconds).toBeLessThanOrEqual(ms / 1000 + 1.001);
    return ms;
  });
  expect(Math.min(...told)).toBeGreaterThanOrEqual(0.8 * toldMs - 1);
  expect(Math.max(...told)).toBeLessThanOrEqual(1.2 * toldMs);
  expect(Math.max(...told)).toBeGreaterThan(1.1 * Math.min(...told));
});
