import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createServerLog } from "./log.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The lines at warn. */
function setup() {
  const warned: unknown[] = [];
  const write =
    (level: string) =>
    (...line: unknown[]) =>
      void (level === "warn" && warned.push(line.at(-1)));
  const log = new Proxy({}, { get: (_, level) => write(String(level)) });
  return { warned, observe: createServerLog(log as Parameters<typeof createServerLog>[0]) };
}

test("that connections are refused is one warning a minute, for each cause", () => {
  const { warned, observe } = setup();
  for (let n = 0; n < 1000; n++) observe({ kind: "connection", what: "connection-limit" });
  expect(warned).toEqual([expect.stringContaining("MAX_CONNECTIONS are open")]);
  observe({ kind: "connection", what: "accept-failed", error: new Error("EMFILE") });
  observe({ kind: "connection", what: "stalled-reader" });
  expect(warned).toEqual([expect.anything(), expect.stringContaining("ulimit -n")]);
  vi.advanceTimersByTime(59_999);
  observe({ kind: "connection", what: "connection-limit" });
  expect(warned).toHaveLength(2);
  vi.advanceTimersByTime(1);
  observe({ kind: "connection", what: "connection-limit" });
  expect(warned).toHaveLength(3);
});
