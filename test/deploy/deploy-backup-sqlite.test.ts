import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Outcome } from "@event-ingestion/api";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { connect } from "../support/event-service.ts";
import { askAgain, startProducers } from "../support/producers.ts";
import { root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

const backUp = async (database: string, folder: string) =>
  (await promisify(execFile)(`${root}deploy/backup-sqlite.sh`, [database, folder])).stdout.trim();

/** The state of a process as the kernel tells it: "T (stopped)". */
const stateOf = (pid: number | undefined) =>
  /^State:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];

// The script reads /proc.
describe("deploy/backup-sqlite.sh", needs("linux"), () => {
  test("a copy made under load holds all that was accepted before it, under the same ids", async () => {
    using dir = tempDir();
    const env = { HANDLERS: `${root}test/support/handlers.ts` };
    const database = join(dir.path, "events.db");
    await using server = await startServer({ env: { ...env, STORE_URL: `sqlite:${database}` } });
    const producers = startProducers(server.url);
    for (let round = 1; round <= 3; round++) {
      await producers.accepted(100);
      const before = new Map(producers.jobs);
      const copy = await backUp(database, join(dir.path, `backup-${round}`));
      expect(readdirSync(join(dir.path, `backup-${round}`))).toEqual(["events.db", "events.db-wal"]);
      await using restored = await startServer({ env: { ...env, STORE_URL: `sqlite:${copy}` } });
      expect(await askAgain(restored.url, [...before.keys()])).toEqual([...before.values()]);
    }
    await producers.stop();
    expect(producers.retries).toEqual([]);
    expect(await server.stop()).toBe(0);
  });

  test("no thread of the server runs while its files are copied", async () => {
    using dir = tempDir();
    const database = join(dir.path, "events.db");
    await using server = await startServer({ env: { STORE_URL: `sqlite:${database}` } });
    const seen = join(dir.path, "seen");
    const spy = `#!/bin/sh\ngrep -h ^State: /proc/${server.child.pid}/task/*/status >> '${seen}'\nexec /bin/cp "$@"\n`;
    writeFileSync(join(dir.path, "cp"), spy, { mode: 0o755 });
    const env = { PATH: `${dir.path}:${process.env.PATH}` };
    execFileSync(`${root}deploy/backup-sqlite.sh`, [database, join(dir.path, "backup")], { env });
    const states = readFileSync(seen, "utf8").trim().split("\n");
    expect(states.length).toBeGreaterThan(10);
    expect(new Set(states)).toEqual(new Set(["State:\tT (stopped)"]));
  });

  test.each(
    (["SIGINT", "SIGTERM", "SIGHUP"] as const).flatMap((signal) =>
      (["the script", "its group"] as const).map((target) => ({ signal, target })),
    ),
  )("$signal to $target lets the server go on, and leaves no half of a copy", async ({ signal, target }) => {
    using dir = tempDir();
    const database = join(dir.path, "events.db");
    await using server = await startServer({ env: { STORE_URL: `sqlite:${database}` } });
    const copying = join(dir.path, "copying");
    writeFileSync(join(dir.path, "cp"), `#!/bin/sh\n/bin/cp "$@"\n: > '${copying}'\nexec sleep 60\n`, {
      mode: 0o755,
    });
    const folder = join(dir.path, "backup");
    const backup = spawn(`${root}deploy/backup-sqlite.sh`, [database, folder], {
      detached: true,
      env: { PATH: `${dir.path}:${process.env.PATH}` },
      stdio: "ignore",
    });
    const ended = once(backup, "exit");
    await expect.poll(() => existsSync(copying), { timeout: 15_000 }).toBe(true);
    expect(stateOf(server.child.pid)).toBe("T (stopped)");
    const pid = backup.pid ?? 0;
    process.kill(target === "the script" ? pid : -pid, signal);
    await expect.poll(() => stateOf(server.child.pid), { timeout: 15_000 }).not.toBe("T (stopped)");
    expect(await ended).toEqual([{ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal], null]);
    expect(existsSync(folder)).toBe(false);
    const answer = await connect(server.url).ingestEvent({ eventId: "later", payload: "x" });
    expect(answer).toMatchObject({ accepted: true });
  });

  test.each(["with [prod] spaces", "any*", "what?", "back\\slash", "é"])(
    "the path of the database may have a folder %s",
    async (name) => {
      using dir = tempDir();
      for (const each of [name, "anything", "whatx"]) mkdirSync(join(dir.path, each));
      await using server = await startServer({
        env: { STORE_URL: "sqlite:events.db" },
        cwd: join(dir.path, name),
      });
      await connect(server.url).ingestEvent({ eventId: "kept", payload: "x" });
      // What the name would match as a pattern is open, too, in this very process.
      const others = ["anything", "whatx"].map((each) => openSync(join(dir.path, each, "events.db"), "a"));
      const copy = await backUp(join(dir.path, name, "events.db"), join(dir.path, "backup"));
      for (const other of others) closeSync(other);
      await using restored = await startServer({ env: { STORE_URL: `sqlite:${copy}` } });
      expect(await connect(restored.url).ingestEvent({ eventId: "kept", payload: "x" })).toMatchObject({
        outcome: Outcome.DUPLICATE,
      });
    },
  );

  test("a closed store needs no process to be stopped", async () => {
    using dir = tempDir();
    const database = join(dir.path, "events.db");
    const server = await startServer({ env: { STORE_URL: `sqlite:${database}` } });
    const { jobId } = await connect(server.url).ingestEvent({ eventId: "kept", payload: "x" });
    await server.stop();
    const copy = await backUp(database, join(dir.path, "backup"));
    await using restored = await startServer({ env: { STORE_URL: `sqlite:${copy}` } });
    expect(await connect(restored.url).ingestEvent({ eventId: "kept", payload: "x" })).toMatchObject({
      jobId,
      outcome: Outcome.DUPLICATE,
    });
  });

  test("it overwrites nothing, and goes on when the copy fails", needs("prlimit"), async () => {
    using dir = tempDir();
    const database = join(dir.path, "events.db");
    await using server = await startServer({ env: { STORE_URL: `sqlite:${database}` } });
    await expect(backUp(database, dir.path)).rejects.toMatchObject({ stderr: /exists/ });
    await expect(backUp(join(dir.path, "no.db"), join(dir.path, "b"))).rejects.toMatchObject({ code: 1 });
    // Too large a file for the process that copies it.
    const limited = ["--fsize=1024", `${root}deploy/backup-sqlite.sh`, database, join(dir.path, "c")];
    expect(() => execFileSync("prlimit", limited, { stdio: "pipe" })).toThrow(/size limit|too large/i);
    expect(existsSync(join(dir.path, "c"))).toBe(false);
    expect(await connect(server.url).ingestEvent({ eventId: "later", payload: "x" })).toMatchObject({
      accepted: true,
    });
  });
});
