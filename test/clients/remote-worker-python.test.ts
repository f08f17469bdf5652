import { spawn } from "node:child_process";
import { once } from "node:events";
import { needs, pythonWithGrpc } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { connect, ended, ingest, jobsByState } from "../support/event-service.ts";
import { root, startServer } from "../support/server-process.ts";

// examples/worker.py: a worker written with nothing but the .proto files and Python's gRPC.

function startWorker(url: string) {
  const child = spawn(pythonWithGrpc(), [`${root}examples/worker.py`], {
    env: { PATH: process.env.PATH, SERVER_ADDRESS: new URL(url).host, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "inherit", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const exited = once(child, "close").then(() => child.exitCode);
  return {
    stderr: () => stderr,
    async stop(signal: NodeJS.Signals = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

test("a worker in Python processes events, across a restart of the server", needs("grpcio"), async () => {
  await using first = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
  await using worker = startWorker(first.url);
  const counted = await ingest(first.url, "word.count", "grün ist die Heide");
  expect(await ended(first.url, counted)).toMatchObject({ status: "done", result: "4 words", attempts: 1 });
  const unknown = await ingest(first.url, "other", "");
  expect(await ended(first.url, unknown)).toMatchObject({
    status: "failed",
    lastError: 'no handler for type "other"',
  });
  await first.stop();

  await using second = await startServer({
    env: { STORE_URL: "sqlite::memory:", PORT: String(first.port) },
  });
  const next = await ingest(second.url, "word.count", "one two");
  expect(await ended(second.url, next)).toMatchObject({ status: "done", result: "2 words" });
  expect(worker.stderr()).toMatch(/^asking again: UNAVAILABLE/);
  expect(await worker.stop()).toBe(0);
  const late = await ingest(second.url, "word.count", "");
  expect(await connect(second.url).getStatus({ jobId: late })).toMatchObject({ attempts: 0 });
  expect(await jobsByState(second.url)).toMatchObject({ RUNNING: 0, QUEUED: 1 });
});
