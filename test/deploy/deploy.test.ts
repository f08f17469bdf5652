import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Outcome } from "@event-ingestion/api";
import { needs } from "@event-ingestion/needs";
import { postgresOf, startPostgres } from "@event-ingestion/store-postgres/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, statusOf, untilReady } from "../support/event-service.ts";
import { freePort } from "../support/free-port.ts";
import { startCluster, systemMajor } from "../support/postgres-cluster.ts";
import { askAgain, startProducers } from "../support/producers.ts";
import { root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

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
const baseUrl = `http://127.0.0.1:${port}`;

/** Runs the commands of a section; the first that fails ends it. */
async function run(heading: string, variables: Record<string, string> = {}): Promise<void> {
  done.add(heading);
  let commands = sections.get(heading) ?? "";
  for (const [theirs, ours] of here) commands = commands.replaceAll(theirs, ours);
  // This workspace is installed and built already.
  commands = commands.replace(/^npx -y pnpm@12 install && npx -y pnpm@12 build$/m, "");
  const env = { ...process.env, PATH: `${dir.path}/bin:${process.env.PATH}`, UNITS: units, ...variables };
  await execute("sh", ["-euc", commands], { cwd: root, env });
}

/** Everything is this user's here. */
const sudo = `#!/bin/sh
case $1 in --*) shift ;; esac
exec "$@"
`;

// The backup needs /proc.
const all = needs("linux", "pg_dump", await postgresOf(systemMajor));

describe("docs/deploy.md", all, () => {
  beforeAll(() => {
    for (const name of ["bin", "units", "lib", "backups"]) mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, "bin/sudo"), sudo, { mode: 0o755 });
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
    const send = async (names: string[]) => {
      const events = names.map((eventId) => ({ eventId, type: "user.signup", payload: '{"email":"a@b.c"}' }));
      return (await connect(baseUrl).ingestBatch({ events })).results;
    };
    await run("One machine");
    expect(await statusOf(baseUrl, "/readyz")).toBe(200);
    const before = await send(["a", "b", "c"]);

    await run("Back up");
    const [late] = await send(["late"]);

    await run("Restore");
    const known = await send(["a", "b", "c"]);
    expect(known.map(({ jobId, outcome }) => ({ jobId, outcome }))).toEqual(
      before.map(({ jobId }) => ({ jobId, outcome: Outcome.DUPLICATE })),
    );
    expect(await connect(baseUrl).getStatus({ jobId: late?.jobId ?? "" })).toMatchObject({
      status: "not found",
    });
    const again = await send(["late"]);
    expect(again).toMatchObject([{ outcome: Outcome.ACCEPTED }]);

    await run("Shrink");
    await run("Upgrade");
    expect(await send(["a", "b", "c", "late"])).toMatchObject(
      [...before, ...again].map(({ jobId }) => ({ jobId, outcome: Outcome.DUPLICATE })),
    );
  });

  test("from SQLite to Postgres, dumped and restored: every job keeps its id and its status", async () => {
    await using postgres = await startPostgres({ major: systemMajor });
    const [moved, restored] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const events = [
      { eventId: "done", type: "user.signup", payload: '{"email":"a@b.c"}' },
      { eventId: "dead", type: "order.created", payload: '{"amount":0}' },
      { eventId: "scheduled", payload: "x", processAfter: timestampFromMs(Date.now() + 3_600_000) },
    ];
    const { results } = await connect(baseUrl).ingestBatch({ events });
    const jobIds = results.map(({ jobId }) => jobId);
    const statuses = (at: string) => Promise.all(jobIds.map((jobId) => connect(at).getStatus({ jobId })));
    const words = async () => (await statuses(baseUrl)).map(({ status }) => status);
    await expect.poll(words, { timeout: 20_000 }).toEqual(["done", "failed", "processing"]);
    const before = await statuses(baseUrl);

    await run("From SQLite to Postgres", { STORE_URL: moved });
    await using server = await startServer({ env: { STORE_URL: moved } });
    expect(await statuses(server.url)).toEqual(before);

    await run("Back up Postgres", { STORE_URL: moved });
    const late = await connect(server.url).ingestEvent({ eventId: "after the dump", payload: "x" });
    await server.stop();
    await run("Restore Postgres", { STORE_URL: restored });
    await using again = await startServer({ env: { STORE_URL: restored } });
    expect(await statuses(again.url)).toEqual(before);
    const { results: known } = await connect(again.url).ingestBatch({ events });
    expect(known.map(({ jobId }) => jobId)).toEqual(jobIds);
    expect(await connect(again.url).getStatus({ jobId: late.jobId })).toMatchObject({
      status: "not found",
    });
  });

  test("a primary is lost under load: every accepted event keeps its job on the next one", async () => {
    await using cluster = await startCluster();
    await using server = await startServer({ env: { STORE_URL: await cluster.createDatabase() } });
    await untilReady(server.url);
    const producers = startProducers(server.url);
    await producers.accepted(500);

    await cluster.primary.kill();
    await expect.poll(() => statusOf(server.url, "/readyz"), { timeout: 20_000 }).toBe(503);
    const [next, other] = await cluster.standbysByProgress();
    const address = { NEW_HOST: "127.0.0.1", NEW_PORT: String(next.port) };
    await run("Fail over by hand", { NEW: next.url, OTHER: other.url, ...address });
    await untilReady(server.url, 60_000);
    await producers.accepted(500);
    await producers.stop();
    expect(producers.retries.length).toBeGreaterThan(0);
    expect(await askAgain(server.url, [...producers.jobs.keys()])).toEqual([...producers.jobs.values()]);
  }, 120_000);

  test("systemd finds nothing wrong with the unit", needs("systemd-analyze"), async () => {
    const unit = join(dir.path, "event-server.service");
    const text = readFileSync(`${root}deploy/event-server.service`, "utf8");
    // It looks whether the program is there.
    writeFileSync(unit, text.replace("/usr/bin/node", process.execPath));
    expect(await execute("systemd-analyze", ["verify", unit])).toEqual({ stdout: "", stderr: "" });
  });

  test("every section with commands was run", () => {
    expect(done).toEqual(new Set(sections.keys()));
  });
});
