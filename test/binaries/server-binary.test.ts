import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { connect, untilReady } from "../support/event-service.ts";
import { root, serverMain, type ServerProcess, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Runs event-server to its end, for starts that must fail. */
function start(env: Record<string, string>, args: string[] = []) {
  const options = {
    env: { PATH: process.env.PATH, PORT: "0", ...env },
    encoding: "utf8",
    timeout: 20_000,
  } as const;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [serverMain, ...args], options);
  return { status, signal, stdout, stderr };
}

test("--help names every variable", () => {
  const { status, stdout } = start({}, ["--help"]);
  expect(status).toBe(0);
  const names = ["HOST", "PORT", "STORE_URL", "HANDLERS", "MAX_ATTEMPTS", "MAX_QUEUED_JOBS", "LOG_LEVEL"];
  for (const name of names) expect(stdout).toContain(`  ${name} `);
});

test("MAX_QUEUED_JOBS: beyond it new events are refused, known ones answered", async () => {
  await using server = await startServer({ env: { STORE_URL: "sqlite::memory:", MAX_QUEUED_JOBS: "2" } });
  await untilReady(server.url);
  const { ingestEvent } = connect(server.url);
  const [first] = await Promise.all([1, 2].map((n) => ingestEvent({ eventId: `${n}`, type: "x" })));
  await expect(ingestEvent({ eventId: "3", type: "x" })).rejects.toThrow("the queue is full");
  const again = await ingestEvent({ eventId: "1", type: "x" });
  expect(again).toMatchObject({ accepted: true, jobId: first?.jobId });
});

test("bad configuration: every problem, one a line, exit 2", () => {
  const { status, stderr } = start({ PORT: "abc", MAX_ATTEMPTS: "0" });
  expect(stderr.trim().split("\n")).toEqual([
    'event-server: PORT must be a whole number from 0 to 65535, got "abc"',
    'event-server: MAX_ATTEMPTS must be a whole number from 1 to 1000, got "0"',
  ]);
  expect(status).toBe(2);
});

test("an argument is refused, since nothing reads it, exit 2", () => {
  const { status, stderr } = start({ STORE_URL: "sqlite::memory:" }, ["--port", "80"]);
  expect(stderr).toBe(
    'event-server: there are no arguments but --help, got "--port"; the environment configures it\n',
  );
  expect(status).toBe(2);
});

test.each([
  ["postgres://app:12/secret@127.0.0.1:1/events", /an @ or a # behind HOST:PORT: encode user, password/],
  ["postgres://app:secret@127.0.0.1:1/bad%name", /a % that begins no character: encode it/],
  [
    "postgres://app:secret@127.0.0.1:1/events?sslmode=verify-full&sslrootcert=/none.pem",
    /no connection to Postgres at 127\.0\.0\.1:1\/events: \/none\.pem cannot be read \(ENOENT\)/,
  ],
])("a Postgres URL that cannot be used: one line without its password", (url, line) => {
  const { status, stderr } = start({ STORE_URL: url });
  expect(stderr).toMatch(line);
  expect(stderr).toMatch(/^event-server: .*\n$/);
  expect(stderr).not.toContain("secret");
  expect(status).not.toBe(0);
});

test("a URL given as an argument is refused without its password", () => {
  const { stderr } = start({}, ["postgres://app:secret@127.0.0.1:1/events"]);
  expect(stderr).toMatch(/^event-server: there are no arguments but --help, got "postgres:\/\/\*\*\*@127/);
});

test("a store of an unknown kind is named without its password, exit 2", () => {
  const { status, stderr } = start({ STORE_URL: "mysql://user:secret@localhost/x" });
  expect(stderr).toBe('event-server: STORE_URL must begin with "sqlite:" or "postgres:", got mysql:\n');
  expect(status).toBe(2);
});

test.each([
  {
    what: "is not there",
    file: undefined,
    message: /cannot load handlers from .*handlers\.mjs.*(not found|no such file|does not exist)/i,
  },
  {
    what: "does not parse",
    file: "// a comment\nexport default [a b];",
    message: /cannot load handlers from .*handlers\.mjs.*Unexpected identifier 'b' \(\/.*handlers\.mjs:2\)/,
  },
  {
    what: "throws",
    file: "throw new Error('boom')",
    message: /cannot load handlers from .*handlers\.mjs.*boom \(\/.*handlers\.mjs:1\)/,
  },
  {
    what: "imports what is not there",
    file: '// a comment\nimport { nothing } from "node:fs";',
    message: /cannot load handlers from .*handlers\.mjs.* 'nothing' \(\/.*handlers\.mjs:2\)/,
  },
  {
    what: "has no default export",
    file: "export const x = 1",
    message: /cannot load handlers from .*handlers\.mjs.*default/,
  },
  {
    what: "exports no handlers",
    file: "export default [() => 1]",
    message: /cannot load handlers from .*handlers\.mjs.*defineHandler/,
  },
])("a handlers module that $what: one clear line, exit 1", ({ file, message }) => {
  using dir = tempDir();
  const path = join(dir.path, "handlers.mjs");
  if (file !== undefined) writeFileSync(path, file);
  const { status, stderr } = start({ STORE_URL: "sqlite::memory:", HANDLERS: path });
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(status).toBe(1);
});

test("a promise that a handlers module rejects unseen: one fatal line that says where, exit 70", () => {
  using dir = tempDir();
  const path = join(dir.path, "handlers.mjs");
  writeFileSync(path, "void Promise.reject(new RangeError('unseen')); await new Promise(() => {});");
  const env = { STORE_URL: "sqlite::memory:", HANDLERS: path, LOG_FORMAT: "json" };
  const { status, stdout, stderr } = start(env);
  expect(JSON.parse(stdout)).toMatchObject({
    level: 60,
    msg: "stopping after an error that nothing handled",
    error: "RangeError",
    stack: expect.stringContaining("handlers.mjs:1"),
  });
  expect([status, stderr]).toEqual([70, ""]);
});

test("V8 has its flags before any code of a user runs", () => {
  const { PATH } = process.env;
  const args = ["--no-allocation-site-pretenuring", "--print", "v8.cachedDataVersionTag()"];
  // The tag stands for the flags, too. A flag that V8 does not know ends the process.
  const expected = spawnSync(process.execPath, args, { env: { PATH }, encoding: "utf8" });
  expect(expected).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\n$/) });
  using dir = tempDir();
  const path = join(dir.path, "handlers.mjs");
  writeFileSync(path, "import v8 from 'node:v8'; throw new Error(`tag ${v8.cachedDataVersionTag()}`)");
  const { stderr } = start({ STORE_URL: "sqlite::memory:", HANDLERS: path });
  expect(stderr).toContain(`tag ${expected.stdout.trim()} `);
});

test("a store that another process has open: who holds it, exit 1", async () => {
  using dir = tempDir();
  const env = { STORE_URL: `sqlite:${dir.path}/events.db` };
  await using first = await startServer({ env });
  const { status, stderr } = start(env);
  expect(stderr).toMatch(
    new RegExp(`in use by another process \\(pid ${first.child.pid} on .* since .*\\)\n$`),
  );
  expect(status).toBe(1);
});

test("a file that is no store is named and left alone, exit 1", () => {
  using dir = tempDir();
  const path = join(dir.path, "events.db");
  writeFileSync(path, "this is not a database, ".repeat(100));
  const { status, stderr } = start({ STORE_URL: `sqlite:${path}` });
  expect(stderr).toContain(path);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(status).toBe(1);
});

test("a store path that is a folder: one clear line, exit 1", () => {
  using dir = tempDir();
  mkdirSync(join(dir.path, "events.db"));
  const { status, stderr } = start({ STORE_URL: `sqlite:${dir.path}/events.db` });
  expect(stderr).toContain("events.db");
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(status).toBe(1);
});

test("a port that is taken: one clear line, exit 1", async () => {
  await using first = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
  const { status, stderr } = start({ STORE_URL: "sqlite::memory:", PORT: String(first.port) });
  expect(stderr).toMatch(new RegExp(`127\\.0\\.0\\.1:${first.port} is already in use`));
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(status).toBe(1);
});

const stopMe = 'process.kill(process.pid, "SIGTERM");';

test.each([
  {
    when: "while handlers are loaded",
    file: `setInterval(() => {}, 1000); ${stopMe} await new Promise(() => {});`,
  },
  {
    when: "just before it listens",
    file: `
      import { Server } from "node:net";
      import { defineHandler } from "${import.meta.resolve("@event-ingestion/worker")}";
      const { listen } = Server.prototype;
      Server.prototype.listen = function (...args) { ${stopMe} return listen.apply(this, args); };
      export default [defineHandler("*", async () => {})];`,
  },
])("SIGTERM $when ends the start, exit 0", ({ file }) => {
  using dir = tempDir();
  const path = join(dir.path, "handlers.mjs");
  writeFileSync(path, file);
  const { status, signal, stderr } = start({ STORE_URL: "sqlite::memory:", HANDLERS: path });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
});

const steps = ["listening", "worker started", "draining", "drained"];

test.each(["SIGTERM", "SIGINT"] as const)("%s drains and exits 0", async (signal) => {
  await using server = await startServer({
    env: { STORE_URL: "sqlite::memory:", HANDLERS: `${root}test/support/handlers.ts` },
  });
  const told = () => server.log.map(({ msg }) => msg).filter((msg) => steps.includes(String(msg)));
  await expect.poll(told, { timeout: 20_000 }).toHaveLength(2);
  expect(await server.stop(signal)).toBe(0);
  expect(told()).toEqual(steps);
});

const canary = 'canary-7f3a\n{"level":60}';

/** Sends what a client would, and gives the answer. */
async function call(
  server: ServerProcess,
  method: string,
  message: unknown,
): Promise<Record<string, string>> {
  const response = await fetch(`${server.url}/event.EventService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
  });
  return (await response.json()) as Record<string, string>;
}

test("the log is JSON lines without payloads", async () => {
  await using server = await startServer({ env: { STORE_URL: "sqlite::memory:", LOG_LEVEL: "trace" } });
  await call(server, "IngestEvent", { eventId: "log", payload: canary, type: "unknown" });
  await call(server, "IngestEvent", { eventId: [canary] });
  await server.stop();
  expect(JSON.stringify(server.log)).not.toContain("canary");
  expect(server.stderr()).toBe("");
});

const withHandlers = {
  STORE_URL: "sqlite::memory:",
  HANDLERS: `${root}test/support/handlers.ts`,
  LOG_LEVEL: "trace",
  MAX_ATTEMPTS: "2",
  RETRY_BASE_MS: "1",
};

test.each(["json", "pretty"])(
  "a %s log that a full disk does not take keeps nobody",
  needs("/dev/full"),
  async (LOG_FORMAT) => {
    const port = await freePort();
    const disk = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [serverMain], {
      env: { PATH: process.env.PATH, PORT: String(port), STORE_URL: "sqlite::memory:", LOG_FORMAT },
      stdio: ["ignore", disk, "inherit"],
    });
    closeSync(disk);
    const exited = once(child, "exit");
    try {
      await untilReady(`http://127.0.0.1:${port}`);
      child.kill("SIGTERM");
      expect(await exited).toEqual([0, null]);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  },
);

/** A port that nobody listened on a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("an error of a handler, which may quote the payload, is in the status and not in the log", async () => {
  await using server = await startServer({ env: withHandlers });
  const { jobId } = await call(server, "IngestEvent", { eventId: "log", payload: canary, type: "parse" });
  const failed = { status: "failed", lastError: expect.stringContaining("canary") };
  await expect.poll(() => call(server, "GetStatus", { jobId }), { timeout: 20_000 }).toMatchObject(failed);
  await server.stop();
  const ended = { msg: "attempt ended", jobId, type: "parse" };
  expect(server.log).toContainEqual(expect.objectContaining({ ...ended, attempt: 1, outcome: "retry" }));
  expect(server.log).toContainEqual(expect.objectContaining({ ...ended, attempt: 2, outcome: "dead" }));
  expect(JSON.stringify(server.log)).not.toContain("canary");
  expect(server.stderr()).toBe("");
});

test("an error that no handler caught ends the server; the log says where it came from, not its text", async () => {
  await using server = await startServer({ env: withHandlers });
  await call(server, "IngestEvent", { eventId: "log", payload: canary, type: "parse-unawaited" });
  expect(await server.stopped).toBe(70);
  const fatal = server.log.find(({ level }) => level === 60);
  expect(fatal).toMatchObject({ error: "SyntaxError", stack: expect.stringContaining("handlers.ts:") });
  expect(JSON.stringify(server.log)).not.toContain("canary");
  expect(server.stderr()).toBe("");
});
