import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// The health check of the image, beside a program that answers on a port of its own.

/** The exit code for a container whose first process was started with these words. */
async function check(words: string[], env: Record<string, string>): Promise<number | null> {
  using dir = tempDir();
  const commandLine = join(dir.path, "cmdline");
  writeFileSync(commandLine, words.map((word) => `${word}\0`).join(""));
  const args = [`${root}deploy/health-check.mjs`, commandLine];
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env }, stdio: "inherit" });
  await once(child, "close");
  return child.exitCode;
}

/** The port of a program that answers /readyz with this status. */
async function program(status: number, host = "127.0.0.1"): Promise<string> {
  const server = createServer(({ url }, response) => {
    response.writeHead(url === "/readyz" ? status : 404).end();
  }).listen(0, host);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  return String(typeof address === "object" ? address?.port : 0);
}

const server = ["node", "/app/bin/event-server"];
const worker = ["/sbin/docker-init", "--", "event-worker", "handlers.js"];

test("a server is asked on its PORT", async () => {
  const HOST = "0.0.0.0";
  expect(await check(server, { HOST, PORT: await program(200) })).toBe(0);
  expect(await check(server, { HOST, PORT: await program(503) })).toBe(1);
  expect(await check(server, { HOST, PORT: String(await freePort()) })).toBe(1);
  expect(await check(server, { HOST: "127.0.0.2", PORT: await program(200, "127.0.0.2") })).toBe(0);
  expect(await check(["sh", "-c", "migrate && event-server"], { HOST, PORT: await program(503) })).toBe(1);
});

test("a worker is asked on its HEALTH_PORT, and without one not at all", async () => {
  const PORT = String(await freePort());
  expect(await check(worker, { PORT, HEALTH_PORT: await program(200) })).toBe(0);
  expect(await check(worker, { PORT, HEALTH_PORT: await program(503) })).toBe(1);
  expect(await check(worker, { PORT })).toBe(0);
  expect(await check(["node", "/app/worker/main.js"], { PORT, HEALTH_PORT: "" })).toBe(0);
  expect(await check(["sh", "-c", "exec event-worker handlers.js"], { PORT })).toBe(0);
});

test("the client is asked nothing, and a server nothing for the workers", async () => {
  const PORT = String(await freePort());
  expect(await check(["node", "/app/bin/event", "demo"], { PORT })).toBe(0);
  expect(await check(server, { PORT: await program(200), HEALTH_PORT: PORT })).toBe(0);
});
