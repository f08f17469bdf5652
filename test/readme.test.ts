import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { needs } from "@event-ingestion/needs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ended, ingest } from "./support/event-service.ts";
import { startLogging } from "./support/logging-process.ts";
import { clientMain, root, type ServerProcess, startServer } from "./support/server-process.ts";

// What the README shows is run as it stands there, against a server with the handlers of `pnpm dev`.

const readme = readFileSync(`${root}README.md`, "utf8");
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, body = ""]) => body);

/** One command an entry, lines that end in a backslash joined. */
const commands = blocks("sh")
  .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
  .map((line) => line.replace(/\s+# .*$/, "").trim())
  .filter(Boolean);

/** Shown by test/binaries/dev.test.ts, and by whoever reads this output. */
const twoCommands = ["npx -y pnpm@12 dev", "npx -y pnpm@12 test"];

/** Runs until it is stopped, against a server without handlers. */
const workerCommand = "SERVER_ADDRESS=localhost:50051 node apps/worker/dist/main.js examples/handlers.ts";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer({
    env: { STORE_URL: "sqlite::memory:", HANDLERS: `${root}examples/handlers.ts` },
  });
});
afterAll(() => server.stop());

/** The words of the README for the server and the binaries of this test. */
const here = (command: string) =>
  command
    .replaceAll("localhost:50051", `localhost:${server.port}`)
    .replace(/^pnpm event/, `${process.execPath} ${clientMain} --server localhost:${server.port}`)
    .replace(/^pnpm buf/, `${root}node_modules/.bin/buf`)
    .replace(/^node /, `${process.execPath} `);

test("there are commands to run", () => {
  expect(commands).toEqual(expect.arrayContaining([...twoCommands, workerCommand]));
  expect(commands.length).toBeGreaterThanOrEqual(6);
});

describe("a command of the README", () => {
  const others = commands.filter((command) => ![...twoCommands, workerCommand].includes(command));
  for (const command of others) {
    const tools = (["curl", "grpcurl"] as const).filter((tool) => command.startsWith(`${tool} `));
    test(`$ ${command}`, needs(...tools), async () => {
      const { stdout } = await promisify(execFile)("sh", ["-c", here(command)], { cwd: root });
      expect(stdout).toMatch(/accepted|done|HANDLERS/);
    });
  }
});

test("the remote worker of the README", async () => {
  await using bare = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
  const command = workerCommand.replace("localhost:50051", `localhost:${bare.port}`);
  await using worker = startLogging(["sh", "-c", `exec env ${command}`], { env: {}, cwd: root });
  await worker.logged("connected");
  const jobId = await ingest(bare.url, "user.signup", '{"email":"ada@example.com"}');
  expect(await ended(bare.url, jobId)).toMatchObject({ result: "welcome mail sent to ada@example.com" });
  expect(await worker.stop()).toBe(0);
});

test("the TypeScript program of the README", async () => {
  const program = blocks("ts").find((block) => block.includes("createEventClient")) ?? "";
  const args = ["--input-type=module-typescript", "--eval", here(program)];
  const child = spawn(process.execPath, args, {
    cwd: `${root}examples`,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("done welcome mail sent to ada@example.com");
  } finally {
    child.kill();
  }
});

test("the handlers of the README are those that pnpm dev runs", () => {
  const shown = blocks("ts").find((block) => block.includes("defineHandler")) ?? "";
  const handlers = readFileSync(`${root}examples/handlers.ts`, "utf8");
  const lines = shown.split("\n").filter((line) => line.trim() !== "");
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) expect(handlers).toContain(`${line}\n`);
});

test("the example service hands a signup over once", async () => {
  const env = { PATH: process.env.PATH, SERVER_ADDRESS: server.url, PORT: "0" };
  const args = [`${root}examples/signup-service.ts`];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const first = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
    const url = /http:\S+/.exec(String(first.value))?.[0] ?? "";
    const signUp = async () => {
      const response = await fetch(url, { method: "POST", body: '{"id":"u-1","email":"ada@example.com"}' });
      return { status: response.status, jobId: await response.text() };
    };
    const { status, jobId } = await signUp();
    expect(status).toBe(202);
    expect(await signUp()).toEqual({ status, jobId });
  } finally {
    child.kill();
  }
});
