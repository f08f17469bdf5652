import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

const limits = { readMaxBytes: 64 * 1024, maxBytesInFlight: 128 * 1024 };
/** In ms, for what takes one second. */
const soon = 5000;

const head = (path: string, length: number, more: string) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\n${more}content-length: ${length}\r\n\r\n`;

const json = "content-type: application/json\r\n";
const refusals = [
  ["a message that is too large", "/test.Echo/Say", json],
  ["a compressed one", "/test.Echo/Say", `${json}content-encoding: gzip\r\n`],
  ["an unknown path", "/none", json],
  ["an unknown content type", "/test.Echo/Say", "content-type: text/plain\r\n"],
] as const;

/** More than is allowed, and than is read of what nobody asked for. */
const begin = "x".repeat(200_000);

describe.each(refusals)("HTTP/1.1: after %s is refused", (_, path, fields) => {
  test("a connection on which the rest never comes ends soon", async () => {
    const server = await startServer({ limits });
    const raw = await openRaw(server);
    raw.write(head(path, 1_000_000, fields) + begin);
    await raw.until((all) => all.includes("HTTP/1.1 4"));
    const start = performance.now();
    server.listener.stop();
    await server.listener.closed;
    expect(performance.now() - start).toBeLessThan(soon);
  });

  test("a peer that is gone is noticed", async () => {
    const server = await startServer({ limits });
    const raw = await openRaw(server);
    raw.write(head(path, 1_000_000, fields) + begin);
    await raw.until((all) => all.includes("HTTP/1.1 4"));
    raw.destroy();
    const start = performance.now();
    const connections = () =>
      new Promise((resolve) => server.listener.http1.getConnections((_error, count) => resolve(count)));
    await vi.waitFor(async () => expect(await connections()).toBe(0), { timeout: soon, interval: 50 });
    expect(performance.now() - start).toBeLessThan(soon);
  });
});

test("HTTP/1.1: a connection goes on if the rest of a refused request comes in time", async () => {
  const server = await startServer({ limits });
  const raw = await openRaw(server);
  raw.write(head("/test.Echo/Say", 100_000, json));
  await raw.until((all) => all.includes("HTTP/1.1 4"));
  raw.write("x".repeat(100_000));
  await sleep(1200);
  raw.write(`${head("/test.Echo/Say", 3, json)}"y"`);
  const all = await raw.until((received) => received.includes("HTTP/1.1 200"));
  expect(all.toString().endsWith('"y"')).toBe(true);
});
