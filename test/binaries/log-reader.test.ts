import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { connect, statusOf } from "../support/event-service.ts";
import { freePort } from "../support/free-port.ts";
import { root, serverMain, startServer, workerMain } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A reader of a named pipe that reads only when it is asked to. */
function openPipe(path: string) {
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, "w");
  let text = "";
  const chunk = Buffer.alloc(65_536);
  /** What has been read so far, with all that is there now. */
  const readAll = (): string => {
    try {
      for (let bytes = 1; bytes > 0;) {
        bytes = readSync(reader, chunk);
        text += chunk.toString("utf8", 0, bytes);
      }
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
    return text;
  };
  return { writer, readAll, close: () => closeSync(reader) };
}

const dropped = async (url: string): Promise<number> => {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^event_log_lines_dropped_total (\d+)$/m.exec(metrics)?.[1]);
};

/** More than a pipe and the process keep, in lines of the log. */
const load = { events: 40, attempts: 250 };

const env = {
  HANDLERS: `${root}test/support/handlers.ts`,
  RETRY_BASE_MS: "1",
  RETRY_MAX_MS: "1",
};

test.for([
  ["event-server", "json"],
  ["event-server", "pretty"],
  ["event-worker", "json"],
  ["event-worker", "pretty"],
] as const)(
  "%s goes on while nobody reads its %s log, tells how many lines that cost, and ends when it is told to",
  async ([name, LOG_FORMAT]) => {
    using dir = tempDir();
    await using server = await startServer({
      env: { STORE_URL: "sqlite::memory:", MAX_ATTEMPTS: String(load.attempts) },
    });
    const pipe = openPipe(join(dir.path, "pipe"));
    const port = String(await freePort());
    const own =
      name === "event-server"
        ? { PORT: port, STORE_URL: "sqlite::memory:", MAX_ATTEMPTS: String(load.attempts) }
        : { HEALTH_PORT: port, SERVER_ADDRESS: server.url };
    const main = name === "event-server" ? serverMain : workerMain;
    const child = spawn(process.execPath, [main], {
      cwd: root,
      env: { PATH: process.env.PATH, LOG_FORMAT, ...env, ...own },
      stdio: ["ignore", pipe.writer, "inherit"],
    });
    closeSync(pipe.writer);
    const exited = once(child, "exit");
    try {
      const url = `http://127.0.0.1:${port}`;
      await vi.waitFor(async () => expect(await statusOf(url, "/readyz")).toBe(200), 20_000);
      const service = connect(name === "event-server" ? url : server.url);
      const events = Array.from({ length: load.events }, (_, n) => ({ eventId: `${n}`, type: "parse" }));
      const { results } = await service.ingestBatch({ events });
      for (const { jobId } of results) {
        const isOver = async () => expect((await service.getStatus({ jobId })).status).toBe("failed");
        await vi.waitFor(isOver, { timeout: 60_000, interval: 100 });
      }
      expect(await statusOf(url, "/healthz")).toBe(200);
      const lost = await dropped(url);
      expect(lost).toBeGreaterThan(0);

      const told = LOG_FORMAT === "json" ? `"lines":${lost},` : `lines: ${lost}\n`;
      await expect.poll(pipe.readAll, { timeout: 20_000 }).toContain(told);
      expect(pipe.readAll()).toContain("log lines were lost, since nobody read them");
      child.kill("SIGTERM");
      const last = name === "event-server" ? "drained" : "worker stopped";
      expect(await exited).toEqual([0, null]);
      expect(pipe.readAll().slice(-500)).toContain(last);
    } finally {
      child.kill("SIGKILL");
      await exited;
      pipe.close();
    }
  },
);
