import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

test("the program of the README runs, and ends by itself once it is stopped", async () => {
  const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(`${folder}README.md`, "utf8")) ?? [];
  const child = spawn(process.execPath, ["--eval", program], {
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
