import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Outcome } from "@event-ingestion/api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, statusOf } from "./support/event-service.ts";
import { freePort } from "./support/free-port.ts";
import { root } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

// The commands of docs/deploy.md, section by section, as they stand there, with folders of this test for those of the
// system. No systemd runs here: a script starts what the unit says.

const dir = tempDir();
const units = join(dir.path, "units");
const port = await freePort();

// Not synchronously: a server that stops waits for its clients, and they are in this process.
const execute = promisify(execFile);

/** What stands for what is the system's. */
const here = Object.entries({
  "/opt/event-ingestion": join(dir.path, "opt"),
  "/etc/systemd/system": units,
  "/var/lib/event-ingestion": join(dir.path, "lib"),
  "/var/backups": join(dir.path, "backups"),
  "/usr/bin/node": process.execPath,
  "50051": String(port),
});

/** The commands under each heading. */
const sections = new Map<string, string>();
for (const section of readFileSync(`${root}docs/deploy.md`, "utf8").split(/^##+ /m)) {
  const commands = Array.from(section.matchAll(/^```sh\n([^]*?)^```$/gm), ([, block]) => block).join("");
  if (commands !== "") sections.set(section.replace(/\n[^]*/, ""), commands);
}
const done = new Set<string>();

/** Runs the commands of a section; the first that fails ends it. */
async function run(heading: string): Promise<void> {
  done.add(heading);
  let commands = sections.get(heading) ?? "";
  for (const [theirs, ours] of here) commands = commands.replaceAll(theirs, ours);
  // This workspace is installed and built already.
  commands = commands.replace(/^npx -y pnpm@12 install && npx -y pnpm@12 build$/m, "");
  const env = { ...process.env, PATH: `${dir.path}/bin:${process.env.PATH}`, UNITS: units };
  await execute("sh", ["-euc", commands], { cwd: root, env });
}

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

// The backup needs Linux.
describe.skipIf(process.platform !== "linux" && process.env.CI === undefined)("docs/deploy.md", () => {
  beforeAll(() => {
    for (const name of ["bin", "units", "lib", "backups"]) mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, "bin/sudo"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    symlinkSync(`${root}test/support/systemctl.sh`, join(dir.path, "bin/systemctl"));
    writeFileSync(join(units, "here.sed"), here.map(([theirs, ours]) => `s|${theirs}|${ours}|g\n`).join(""));
  });
  afterAll(async () => {
    try {
      await execute(`${dir.path}/bin/systemctl`, ["stop", "event-server"], {
        env: { ...process.env, UNITS: units },
      });
    } finally {
      dir[Symbol.dispose]();
    }
  });

  test("one machine: installed, backed up, restored and upgraded, every event keeps its job", async () => {
    const url = `http://127.0.0.1:${port}`;
    const send = async (names: string[]) => {
      const events = names.map((eventId) => ({ eventId, type: "user.signup", payload: '{"email":"a@b.c"}' }));
      return (await connect(url).ingestBatch({ events })).results;
    };
    await run("One machine");
    expect(await statusOf(url, "/readyz")).toBe(200);
    const before = await send(["a", "b", "c"]);

    await run("Back up");
    const [late] = await send(["late"]);

    await run("Restore");
    const known = await send(["a", "b", "c"]);
    expect(known.map(({ jobId, outcome }) => ({ jobId, outcome }))).toEqual(
      before.map(({ jobId }) => ({ jobId, outcome: Outcome.DUPLICATE })),
    );
    expect(await connect(url).getStatus({ jobId: late?.jobId ?? "" })).toMatchObject({ status: "not found" });
    const again = await send(["late"]);
    expect(again).toMatchObject([{ outcome: Outcome.ACCEPTED }]);

    await run("Shrink");
    await run("Upgrade");
    expect(await send(["a", "b", "c", "late"])).toMatchObject(
      [...before, ...again].map(({ jobId }) => ({ jobId, outcome: Outcome.DUPLICATE })),
    );
  });

  test.skipIf(!hasSystemd && process.env.CI === undefined)(
    "systemd finds nothing wrong with the unit",
    async () => {
      const unit = join(dir.path, "event-server.service");
      const text = readFileSync(`${root}deploy/event-server.service`, "utf8");
      // It looks whether the program is there.
      writeFileSync(unit, text.replace("/usr/bin/node", process.execPath));
      expect(await execute("systemd-analyze", ["verify", unit])).toEqual({ stdout: "", stderr: "" });
    },
  );

  test("every section with commands was run", () => {
    expect(done).toEqual(new Set(sections.keys()));
  });
});
