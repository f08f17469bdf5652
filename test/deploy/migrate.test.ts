import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, test } from "vitest";
import { connect, jobsByState } from "../support/event-service.ts";
import { clientMain, root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// `event migrate` as a process. What it copies is the matter of apps/client/src/commands/copy-store.test.ts.

function migrate(args: string[], env: Record<string, string> = {}) {
  const options = { env: { PATH: process.env.PATH, ...env }, encoding: "utf8", timeout: 60_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [clientMain, "migrate", ...args], options);
  return { status, stdout, stderr };
}

test("a store that a server has used goes on under another URL", async () => {
  using dir = tempDir();
  const [from, to] = [`sqlite:${dir.path}/old.db`, `sqlite:${dir.path}/new.db`];
  const HANDLERS = `${root}test/support/handlers.ts`;
  const old = await startServer({ env: { STORE_URL: from } });
  const events = Array.from({ length: 700 }, (_, index) => ({
    eventId: `e-${index}`,
    payload: "x",
    type: "echo",
  }));
  const { results } = await connect(old.url).ingestBatch({ events });
  expect(migrate(["--from", from, "--to", to])).toMatchObject({
    status: 5,
    stderr: expect.stringMatching(
      /^event: store .*old\.db is in use by another process.*\n {2}stop the server/,
    ),
  });
  await old.stop();
  // By the environment, as a password should go.
  expect(migrate(["--from", from, "--output", "text"], { STORE_URL: to })).toEqual({
    status: 0,
    stdout: "copied and counted: 700 QUEUED\n",
    stderr: "",
  });
  const again = migrate(["--from", from, "--to", to, "--output", "json"]);
  expect(JSON.parse(again.stdout)).toMatchObject({ QUEUED: 700, RUNNING: 0 });
  expect(again).toMatchObject({ status: 0, stderr: "going on after 700 jobs\n" });

  await using server = await startServer({ env: { STORE_URL: to, HANDLERS } });
  const { results: known } = await connect(server.url).ingestBatch({ events });
  expect(known.map(({ jobId }) => jobId)).toEqual(results.map(({ jobId }) => jobId));
  await expect
    .poll(() => jobsByState(server.url), { timeout: 20_000 })
    .toMatchObject({ QUEUED: 0, RUNNING: 0, SUCCEEDED: 700 });
});

test("interrupted, the same command goes on", async () => {
  using dir = tempDir();
  const [from, to] = [`sqlite:${dir.path}/old.db`, `sqlite:${dir.path}/new.db`];
  const payload = new Uint8Array(100_000);
  const store = await openSqliteStore(from);
  for (let at = 0; at < 3000; at += 100) {
    const events = Array.from({ length: 100 }, (_, index) => ({
      tenant: "",
      eventId: `e-${at + index}`,
      type: "",
      payload,
      timestamp: 1n,
      maxAttempts: 1,
    }));
    await store.append(events);
  }
  await store.close();

  const child = spawn(process.execPath, [clientMain, "migrate", "--from", from, "--to", to]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  await expect.poll(() => existsSync(`${dir.path}/new.db`), { timeout: 20_000, interval: 5 }).toBe(true);
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([130, null]);
  expect(stderr).toBe("stopped; the same command goes on from there\n");

  const { status, stdout } = migrate(["--from", from, "--to", to, "--output", "text"]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: "copied and counted: 3000 QUEUED\n" });
});

test.each([
  { what: "no source", args: ["--to", "sqlite::memory:"], message: "--from URL is missing" },
  { what: "an unknown option", args: ["--form", "x"], message: /^unknown option '--form'/ },
  {
    what: "a source that is not there",
    args: ["--from", "sqlite:/none.db"],
    message: "there is no store /none.db",
  },
  {
    what: "a source of another kind",
    args: ["--from", "mysql://me:secret@db/x"],
    message: '--from must begin with "sqlite:" or "postgres:", got mysql:',
  },
  {
    what: "an option that is none, with a password",
    args: ["--too=postgres://me:secret@db/x"],
    message: /^unknown option '\*\*\*@db\/x'$/,
  },
  {
    what: "a password that is not encoded",
    args: ["--from", "postgres://me:12/secret@db/x", "--to", "sqlite::memory:"],
    message: /^the store URL has an @ or a # behind HOST:PORT: encode user, password/,
  },
  {
    what: "a target of another kind",
    args: ["--from", "sqlite::memory:", "--to", "redis://db"],
    message: '--to must begin with "sqlite:" or "postgres:", got redis:',
  },
  {
    what: "the source as target",
    args: ["--from", `sqlite:${root}README.md`, "--to", `sqlite:${root}test/../README.md`],
    message: "a store cannot be copied into itself",
  },
  {
    what: "a source that names no file",
    args: ["--from", "sqlite:"],
    message: '--from must name a file, or :memory:, after "sqlite:"',
  },
  {
    what: "a target of another kind by its variable",
    args: ["--from", "sqlite::memory:"],
    env: { STORE_URL: "redis://db" },
    message: 'STORE_URL must begin with "sqlite:" or "postgres:", got redis:',
  },
  {
    what: "no target",
    args: ["--from", "sqlite::memory:"],
    env: { STORE_URL: "" },
    message: "--to URL is missing, and STORE_URL is not set",
  },
])("$what: one line, exit 4", ({ args, env, message }) => {
  using dir = tempDir();
  const { status, stderr } = migrate(args, { STORE_URL: `sqlite:${dir.path}/new.db`, ...env });
  expect(status).toBe(4);
  const [line = ""] = stderr.replace(/^event: /, "").split("\n");
  expect(line).toMatch(message);
  expect(existsSync(`${dir.path}/new.db`)).toBe(false);
});

test("a source that is no store is left as it is", () => {
  using dir = tempDir();
  writeFileSync(`${dir.path}/notes.txt`, "not a store\n".repeat(100));
  const { status, stderr } = migrate(["--from", `sqlite:${dir.path}/notes.txt`], {
    STORE_URL: `sqlite:${dir.path}/new.db`,
  });
  expect(stderr).toMatch(/^event: .*notes\.txt.*\n {2}\S.*\n$/);
  expect(status).not.toBe(0);
  expect(existsSync(`${dir.path}/new.db`)).toBe(false);
});

test("a source of no bytes is not made a store", () => {
  using dir = tempDir();
  const file = `${dir.path}/empty.db`;
  writeFileSync(file, "");
  const { status, stderr } = migrate(["--from", `sqlite:${file}`, "--to", `sqlite:${dir.path}/new.db`]);
  expect({ status, stderr }).toMatchObject({
    status: 4,
    stderr: expect.stringContaining("there is no store"),
  });
  expect(readdirSync(dir.path)).toEqual(["empty.db"]);
  expect(statSync(file).size).toBe(0);
});

test("--help says what it does", () => {
  expect(migrate(["--help"])).toMatchObject({ status: 0, stdout: expect.stringContaining("--from <url>") });
});
