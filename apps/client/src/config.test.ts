import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type GlobalFlags, readConfig } from "./config.ts";
import { createOptionReader } from "./option-reader.ts";

function config(flags: GlobalFlags = {}, env: NodeJS.ProcessEnv = {}, isTty = false) {
  const reader = createOptionReader();
  const read = readConfig(flags, reader, { env, isTty });
  reader.done();
  return read;
}

test("the defaults", () => {
  expect(config()).toEqual({
    address: "localhost:50051",
    baseUrl: "http://localhost:50051",
    protocol: "grpc",
    output: "jsonl",
    timeoutMs: undefined,
    quiet: false,
    token: undefined,
  });
  expect(config({}, {}, true).output).toBe("text");
});

test.each([
  ["example.com:80", "http://example.com"],
  ["[::1]:50051", "http://[::1]:50051"],
  ["https://example.com", "https://example.com"],
  ["http://localhost:8080/events/", "http://localhost:8080/events"],
])("%s is the address %s", (address, baseUrl) => {
  expect(config({ server: address })).toMatchObject({ address, baseUrl });
});

test.each([
  ["localhost", "localhost"],
  ["ftp://localhost:1", "ftp://localhost:1"],
  ["http://", "http://"],
  ["a b:1", "a b:1"],
  ["http://user:secret@localhost:1", "http://***@localhost:1"],
  ["http://user:12/secret@localhost:1", "http://***@localhost:1"],
  ["localhost:1/?secret", "localhost:1/?***"],
  ["http://localhost:1/#secret", "http://localhost:1/#***"],
  ["http://localhost:1/#", "http://localhost:1/#***"],
])("%s is no address, and shown as %s", (server, shown) => {
  expect(() => config({ server })).toThrow(`--server must be host:port or an http(s) URL, got "${shown}"`);
});

test("an option wins over its variable, an empty variable is none", () => {
  expect(config({ server: "a:1" }, { SERVER_ADDRESS: "b:2" }).address).toBe("a:1");
  expect(config({}, { SERVER_ADDRESS: "b:2" }).address).toBe("b:2");
  expect(config({}, { SERVER_ADDRESS: "" }).address).toBe("localhost:50051");
});

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["2h", 7_200_000],
  ["7", 7000],
])("--timeout %s is %i ms", (timeout, ms) => expect(config({ timeout }).timeoutMs).toBe(ms));

test("all mistakes are told at once", () => {
  expect(() =>
    config(
      { protocol: "http", output: "xml", timeout: "soon" },
      { SERVER_ADDRESS: "nowhere", EVENT_TOKEN_FILE: "/does/not/exist" },
    ),
  ).toThrow(
    `SERVER_ADDRESS must be host:port or an http(s) URL, got "nowhere"
--protocol must be one of grpc, connect, grpc-web, got "http"
--output must be one of text, json, jsonl, got "xml"
--timeout must be a duration such as 500ms, 30s or 2m, up to 596h, got "soon"
EVENT_TOKEN_FILE must name a readable file, got "/does/not/exist" (ENOENT)`,
  );
});

test("the token of a file wins over the other one", () => {
  const folder = mkdtempSync(join(tmpdir(), "event-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "token");
  writeFileSync(path, "from-file\n");
  expect(config({}, { EVENT_TOKEN: "from-env" }).token).toBe("from-env");
  expect(config({}, { EVENT_TOKEN: "from-env", EVENT_TOKEN_FILE: path }).token).toBe("from-file");
});

test("a token that cannot be a header is not shown", () => {
  expect(() => config({}, { EVENT_TOKEN: "two words" })).toThrow(
    "EVENT_TOKEN must hold one word of ASCII, got something else",
  );
});
