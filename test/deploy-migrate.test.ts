import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { connect, jobsByState } from "./support/event-service.ts";
import { root, serverMain, startServer } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

// event-server migrate as a process. What it copies is the matter of apps/server/src/migrate.test.ts.

function migrate(args: string[], env: Record<string, string> = {}) {
  const options = { env: { PATH: process.env.PATH, ...env }, encoding: "utf8", timeout: 60_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [serverMain, "migrate", ...args], options);
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
    status: 1,
    stderr: expect.stringMatching(/^event-server migrate: store .*old\.db is in use by another process/),
  });
  await old.stop();
  // By the environment, as a password should go.
  expect(migrate(["--from", from], { STORE_URL: to })).toEqual({
    status: 0,
    stdout: "copied and counted: 700 QUEUED\n",
    stderr: "",
  });

  await using server = await startServer({ env: { STORE_URL: to, HANDLERS } });
  const { results: again } = await connect(server.url).ingestBatch({ events });
  expect(again.map(({ jobId }) => jobId)).toEqual(results.map(({ jobId }) => jobId));
  await expect
    .poll(() => jobsByState(server.url), { timeout: 20_000 })
    .toMatchObject({ QUEUED: 0, RUNNING: 0, SUCCEEDED: 700 });
});

test.each([
  { what: "no source", args: ["--to", "sqlite::memory:"], message: "--from URL is missing; see --help" },
  { what: "an unknown option", args: ["--form", "x"], message: /^Unknown option '--form'/ },
  {
    what: "a source that is not there",
    args: ["--from", "sqlite:/none.db"],
    message: "there is no store /none.db",
  },
])("$what: one line, exit 2", ({ args, message }) => {
  using dir = tempDir();
  const { status, stderr } = migrate(args, { STORE_URL: `sqlite:${dir.path}/new.db` });
  expect(status).toBe(2);
  const line = stderr.replace(/^event-server migrate: (.*)\n$/, "$1");
  expect(line).toMatch(message);
  expect(existsSync(`${dir.path}/new.db`)).toBe(false);
});

test("--help says what it does", () => {
  expect(migrate(["--help"])).toMatchObject({ status: 0, stdout: expect.stringContaining("--from URL") });
});
