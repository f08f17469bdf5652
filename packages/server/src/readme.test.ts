import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

test("the program of the README serves events, and ends by itself on SIGTERM", async () => {
  const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(`${folder}README.md`, "utf8")) ?? [];
  const inMemory = program.replace("sqlite:./data/events.db", "sqlite::memory:");
  const child = spawn(process.execPath, ["--eval", inMemory], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
    const url = /^listening on (http:\S+)$/.exec(String(value))?.[1];
    const response = await fetch(`${url}/event.EventService/IngestEvent`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"eventId":"readme"}',
    });
    expect(await response.json()).toMatchObject({ accepted: true });
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
});
