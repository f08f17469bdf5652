import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http2";
import { join } from "node:path";
import { promisify } from "node:util";
import { needs } from "@event-ingestion/needs";
import { describe, expect, onTestFinished, test } from "vitest";
import { startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// h2spec breaks HTTP/2 in 145 ways and looks how a server takes it. What fails on a bare server of Node as well is Node's.

const run = promisify(execFile);

/** What fails on our port and not on a bare server, with the reason. One that passes has to leave this list. */
const expected = new Map([
  [
    "http2/3.5: Sends invalid connection preface",
    "The port speaks HTTP/1.1, too: what is no preface is answered by that with 400, which h2spec cannot read.",
  ],
]);

/** Some cases depend on which of two packets comes first: one fails only if it does so each time. */
const tries = 3;

describe("h2spec", needs("h2spec"), () => {
  test("nothing fails on our port that does not fail on a bare server of Node, but what is known", async () => {
    const server = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
    onTestFinished(async () => void (await server.stop()));
    const bare = await startBare();
    const [ours, theirs] = await Promise.all([failuresOf(server.port), failuresOf(bare)]);
    expect([ours.cases, theirs.cases]).toEqual([145, 145]);

    let own = ours.failed.filter((name) => !theirs.failed.includes(name));
    for (let attempt = 1; attempt < tries && own.some((name) => !expected.has(name)); attempt++) {
      const again = await failuresOf(server.port, own.map(sectionOf));
      own = own.filter((name) => again.failed.includes(name));
    }
    expect(own.toSorted()).toEqual([...expected.keys()].toSorted());
  }, 120_000);
});

/** The port of a server that says yes to everything. */
async function startBare(): Promise<number> {
  const server = createServer((_request, response) => response.end("yes")).on(
    "sessionError",
    () => undefined,
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no TCP port");
  return address.port;
}

/** The cases of some sections, or of all, that fail at a port, as SECTION: TITLE. */
async function failuresOf(
  port: number,
  sections: string[] = [],
): Promise<{ cases: number; failed: string[] }> {
  using dir = tempDir();
  const report = join(dir.path, "report.xml");
  const flags = ["--host", "127.0.0.1", "--port", String(port), "--junit-report", report];
  // It exits with 1 if a case fails; without a report the next line does.
  await run("h2spec", [...flags, ...new Set(sections)]).catch(() => undefined);
  const found = readFileSync(report, "utf8").matchAll(
    /<testcase package="(.*?)" classname="(.*?)".*?>\s*<(.)/g,
  );
  const cases = [...found].map(([, section, title, next]) => ({ name: `${section}: ${title}`, next }));
  return { cases: cases.length, failed: cases.filter(({ next }) => next === "e").map(({ name }) => name) };
}

function sectionOf(name: string): string {
  return name.slice(0, name.indexOf(":"));
}
