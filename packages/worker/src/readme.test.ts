import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { serve } from "./testing/server.ts";
import { setup } from "./testing/worker.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(`${folder}README.md`, "utf8");
const [inProcess = "", remote = ""] = Array.from(
  readme.matchAll(/^```ts\n(.*?)^```$/gms),
  ([, body]) => body,
);

test("the program of the README runs, and ends by itself once it is stopped", async () => {
  const child = spawn(process.execPath, ["--eval", inProcess], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("user.signup, attempt 1: retry");
    expect((await lines.next()).value).toBe("user.signup, attempt 2: succeeded");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
});

test("the program for a server elsewhere runs, and ends by itself once it is stopped", async () => {
  const { store, add, job } = await setup();
  const { url } = await serve(store);
  const program = remote.replace("http://localhost:50051", url);
  const child = spawn(process.execPath, ["--eval", program], { cwd: folder, stdio: "inherit" });
  const exited = once(child, "exit");
  try {
    const jobId = await add();
    await expect.poll(() => job(jobId), { timeout: 15_000 }).toMatchObject({ state: "SUCCEEDED" });
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
});
