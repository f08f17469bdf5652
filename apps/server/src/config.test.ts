import { ConfigError } from "@event-ingestion/app-kit/environment";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

test("an empty environment gives the defaults", () => {
  expect(readConfig({}, false)).toEqual({
    host: "127.0.0.1",
    port: 50051,
    storeUrl: "sqlite:./data/events.db",
    storeConnections: 10,
    handlers: undefined,
    maxAttempts: 12,
    maxQueuedJobs: 2_000_000,
    maxConnections: 2000,
    logLevel: "info",
    logFormat: "json",
    concurrency: 64,
    retryBaseMs: 1000,
    retryMaxMs: 3_600_000,
    leaseMs: 30_000,
    handlerTimeoutMs: 900_000,
    lameDuckMs: 0,
  });
});

test("an empty variable counts as not set, and a terminal gets the pretty log", () => {
  expect(readConfig({ PORT: "", HANDLERS: "", HOST: "", LOG_LEVEL: "" }, true)).toMatchObject({
    port: 50051,
    handlers: undefined,
    host: "127.0.0.1",
    logFormat: "pretty",
  });
});

test("all problems are reported at once, each naming the variable, what was expected and what was got", () => {
  const env = {
    PORT: "70000",
    STORE_CONNECTIONS: "1",
    CONCURRENCY: "many",
    LEASE_MS: "10.5",
    LOG_LEVEL: "loud",
    RETRY_BASE_MS: "5000",
    RETRY_MAX_MS: "4000",
    STORE_URL_FILE: "/nonexistent/url",
  };
  const read = () => readConfig(env, false);
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(
    [
      'PORT must be a whole number from 0 to 65535, got "70000"',
      'STORE_URL_FILE must name a readable file, got "/nonexistent/url" (ENOENT)',
      'STORE_CONNECTIONS must be a whole number from 2 to 200, got "1"',
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, got "loud"',
      'CONCURRENCY must be a whole number from 1 to 10000, got "many"',
      'LEASE_MS must be a whole number from 1000 to 3600000, got "10.5"',
      'RETRY_MAX_MS must be at least RETRY_BASE_MS (5000), got "4000"',
    ].join("\n"),
  );
});
