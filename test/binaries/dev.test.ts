import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isLong, needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { checkout } from "../support/checkout.ts";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// The first of the README's two commands, on a fresh clone with an empty home.

test(
  "npx -y pnpm@12 dev installs itself, runs the demo, stays up and restarts on change",
  { ...needs("git"), timeout: 240_000 },
  async () => {
    using dir = tempDir();
    const clone = join(dir.path, "clone");
    const home = join(dir.path, "home");
    mkdirSync(home);
    checkout(clone);
    // What installed this workspace has it all; a download takes its time.
    const store = isLong ? {} : { pnpm_config_store_dir: await storeDir() };
    const env = { PATH: systemPath(), HOME: home, PORT: "0", LOG_FORMAT: "json", ...store };
    // A process group of its own, so that everything below npx can be ended at once.
    const child = spawn("npx", ["-y", "pnpm@12", "dev"], { cwd: clone, env, detached: true });
    const exited = once(child, "exit");
    let output = "";
    const grown = new EventTarget();
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
        grown.dispatchEvent(new Event("data"));
      });
    }
    const until = async (pattern: RegExp, from = 0): Promise<RegExpExecArray> => {
      for (;;) {
        const match = pattern.exec(output.slice(from));
        if (match !== null) return match;
        await Promise.race([
          once(grown, "data"),
          exited.then(() => {
            throw new Error(`it ended:\n${output}`);
          }),
        ]);
      }
    };
    try {
      const [, url] = await until(/"url":"(http:[^"]+)","msg":"listening"/);
      await until(/Ctrl-C to stop/);
      expect(output).toMatch(/done/);
      for (const client of ["curl ", "buf curl ", "grpcurl ", "pnpm event "])
        expect(output).toContain(client);
      const body = JSON.stringify({
        eventId: "mine",
        type: "user.signup",
        payload: '{"email":"ada@example.com"}',
      });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${url}/event.EventService/IngestEvent`, { method: "POST", headers, body });
      expect(await answer.json()).toMatchObject({ accepted: true });

      const before = output.length;
      appendFileSync(join(clone, "examples/handlers.ts"), "\n// changed\n");
      const [, next] = await until(/"url":"(http:[^"]+)","msg":"listening"/, before);
      expect((await fetch(`${next}/readyz`)).status).toBe(200);
    } finally {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
      await exited;
    }
  },
);

async function storeDir(): Promise<string> {
  return (await promisify(execFile)("pnpm", ["store", "path"], { cwd: root })).stdout.trim();
}

/** Without the folders that pnpm put in front, so that the clone finds its own Node and not ours. */
function systemPath(): string {
  return (process.env.PATH ?? "")
    .split(":")
    .filter((folder) => !folder.includes("node_modules"))
    .join(":");
}
