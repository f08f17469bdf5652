import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clientMain, serverMain, workerMain } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Starts the entry of a binary, with this program behind it, in a Node that says it has that version. */
function start(main: string, { version, program }: { version: string; program: string }) {
  using dir = tempDir();
  const entry = join(dir.path, "main.mjs");
  copyFileSync(main, entry);
  writeFileSync(join(dir.path, "package.json"), '{"type":"module"}');
  writeFileSync(join(dir.path, "program.js"), program);
  const versions = `{ value: { ...process.versions, node: ${JSON.stringify(version)} } }`;
  const fake = `data:text/javascript,Object.defineProperty(process, "versions", ${versions})`;
  const options = { encoding: "utf8", timeout: 20_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", fake, entry], options);
  return { status, stdout, stderr };
}

const binaries = { "event-server": serverMain, "event-worker": workerMain, event: clientMain };

test.for(Object.entries(binaries))(
  "%s on a Node that is too old: one line that says so, before the program is even parsed, exit 1",
  ([name, main]) => {
    for (const version of ["20.20.2", "24.15.9"]) {
      const stderr = `${name}: Node 24.16 or newer is needed, this is ${version}\n`;
      expect(start(main, { version, program: "a b" })).toEqual({ status: 1, stdout: "", stderr });
    }
  },
);

test.for(Object.entries(binaries))(
  "%s runs on the oldest Node that it takes, and on newer ones",
  ([, main]) => {
    for (const version of ["24.16.0", "25.0.0"]) {
      const answer = start(main, { version, program: "process.stdout.write('runs')" });
      expect(answer).toEqual({ status: 0, stdout: "runs", stderr: "" });
    }
  },
);
