import { expect, test } from "vitest";
import { resolveLimits } from "./limits.ts";

test("limits not given have their defaults, and what the caller gave is left alone", () => {
  const given = Object.freeze({ receiveMs: 30_000 });
  expect(resolveLimits(given)).toMatchObject({
    receiveMs: 30_000,
    maxConnections: 2000,
    readMaxBytes: 4 << 20,
  });
});

test.each([
  [{ maxConnections: 0 }, "maxConnections must be a whole number from 1 to 2147483647, got 0"],
  [{ sniffMs: 1.5 }, "sniffMs must be a whole number"],
  [{ idleMs: Number.NaN }, "idleMs must be a whole number"],
  [{ headersMs: 30_000 }, "headersMs must not exceed receiveMs (20000), got 30000"],
  [{ pingTimeoutMs: 20_000 }, "pingTimeoutMs must be below pingIntervalMs (20000), got 20000"],
  [
    { maxBytesInFlight: 8_388_607 },
    "maxBytesInFlight must be at least twice readMaxBytes (4194304), got 8388607",
  ],
])("%o is refused", (given, message) => {
  expect(() => resolveLimits(given)).toThrow(message);
});
