import { ConfigError } from "@event-ingestion/app-kit/environment";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

const read = (env: NodeJS.ProcessEnv, args: string[] = [], isTty = false) => readConfig(env, { args, isTty });

test("handlers are all that must be given", () => {
  expect(read({ HANDLERS: "h.ts" })).toEqual({
    handlers: "h.ts",
    baseUrl: "http://localhost:50051",
    token: undefined,
    logLevel: "info",
    logFormat: "json",
    concurrency: 64,
    retryBaseMs: 1000,
    retryMaxMs: 3_600_000,
    leaseMs: 30_000,
    handlerTimeoutMs: 900_000,
    health: undefined,
  });
});

test("HANDLERS wins over the first argument, and a terminal gets the pretty log", () => {
  expect(read({ HANDLERS: "" }, ["arg.ts"], true)).toMatchObject({ handlers: "arg.ts", logFormat: "pretty" });
  expect(read({ HANDLERS: "env.ts" }, ["arg.ts"])).toMatchObject({ handlers: "env.ts" });
});

test("server, credential and health port", () => {
  const env = {
    HANDLERS: "h",
    SERVER_ADDRESS: "https://events.example/",
    EVENT_TOKEN: "abc",
    HEALTH_PORT: "0",
  };
  expect(read(env)).toMatchObject({
    baseUrl: "https://events.example",
    token: "abc",
    health: { host: "127.0.0.1", port: 0 },
  });
  expect(read({ ...env, HOST: "0.0.0.0", HEALTH_PORT: "9090" })).toMatchObject({
    health: { host: "0.0.0.0", port: 9090 },
  });
});

test("all problems are reported at once, each naming the variable, what was expected and what was got", () => {
  const env = {
    SERVER_ADDRESS: "localhost",
    EVENT_TOKEN: "two words",
    LOG_FORMAT: "xml",
    CONCURRENCY: "0",
    LEASE_MS: "1000",
    HEALTH_PORT: "http",
  };
  expect(() => read(env)).toThrow(ConfigError);
  expect(() => read(env)).toThrow(
    [
      "HANDLERS, or the first argument, must be the path of a handlers module",
      'SERVER_ADDRESS must be host:port or an http(s) URL, got "localhost"',
      "EVENT_TOKEN must hold one word of ASCII, got something else",
      'LOG_FORMAT must be one of json, pretty, got "xml"',
      'CONCURRENCY must be a whole number from 1 to 10000, got "0"',
      'LEASE_MS must be a whole number from 5000 to 600000, got "1000"',
      'HEALTH_PORT must be a whole number from 0 to 65535, got "http"',
    ].join("\n"),
  );
});
