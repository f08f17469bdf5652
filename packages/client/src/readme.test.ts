import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createServer } from "@event-ingestion/server";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, onTestFinished, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

test("the program of the README runs", async () => {
  const store = await openSqliteStore("sqlite::memory:");
  const server = createServer({ store, port: 0, graceMs: 100 });
  const { url } = await server.listen();
  onTestFinished(async () => {
    await server.close();
    await store.close();
  });
  const [, text = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(`${folder}README.md`, "utf8")) ?? [];
  const program = text.replace("http://localhost:50051", url);
  const running = promisify(execFile)(
    process.execPath,
    ["--input-type=module-typescript", "--eval", program],
    { cwd: folder },
  );
  const session = await store.openSession("test", 30_000);
  await expect.poll(() => finishOne(), { timeout: 15_000 }).toBe(true);
  expect((await running).stdout).toBe("done\n2500 stored\n");

  async function finishOne(): Promise<boolean> {
    const [job] = await store.claim(session, 1);
    if (job === undefined) return false;
    await store.settle(session, [{ jobId: job.jobId, attempt: job.attempt, as: "succeeded" }]);
    return true;
  }
});
