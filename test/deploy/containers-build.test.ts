import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, matchesGlob } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { needs } from "@event-ingestion/needs";
import { postgresOf, startPostgres } from "@event-ingestion/store-postgres/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { checkout } from "../support/checkout.ts";
import { type Instruction, readDockerfile } from "../support/dockerfile.ts";
import { statusOf } from "../support/event-service.ts";
import { startProxy } from "../support/proxied-servers.ts";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// The steps of the Dockerfile, one by one, in folders instead of an image and without a network: what is copied must be
// enough to build, and what is copied then must be enough to run.

const dir = tempDir();
const context = join(dir.path, "context");
const folders: Record<string, string> = { build: join(dir.path, "build"), "": join(dir.path, "image") };
const image = join(dir.path, "image");

/** What a clone holds is what git says. */
const clone = needs("git");

beforeAll(() => {
  if (clone.skip) return;
  checkout(context);
  const ignored = readFileSync(join(root, ".dockerignore"), "utf8").trim().split("\n");
  for (const name of readdirSync(context, { recursive: true, encoding: "utf8" })) {
    if (ignored.some((pattern) => matchesGlob(name, pattern)))
      rmSync(join(context, name), { recursive: true });
  }
}, 60_000);
afterAll(() => dir[Symbol.dispose](), 60_000);

test("both stages build", { ...clone, timeout: 300_000 }, () => {
  // What installed this workspace has all there is to download, and has checked the lock file.
  const store = execFileSync("pnpm", ["store", "path"], { cwd: root, encoding: "utf8" }).trim();
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    pnpm_config_store_dir: store,
    pnpm_config_offline: "true",
  };
  for (const [name, { instructions }] of Object.entries(readDockerfile())) {
    const cwd = folders[name] ?? "";
    mkdirSync(cwd);
    for (const instruction of instructions) replay(instruction, cwd, env);
  }
  expect(leftOut).toHaveLength(left.length);
  expect(readdirSync(image).toSorted()).toEqual([
    "bin",
    "client",
    "health-check.mjs",
    "package.json",
    "server",
    "worker",
  ]);
});

/** Done by the engine, or in need of what only the image has: a network, its user. */
const left = [/^npm install --global pnpm@12\.\d+\.\d+$/, /^install --directory .* \/data$/];
const leftOut: string[] = [];

/** What they say shows when the image runs. */
const aboutTheImage = new Set(["ENV", "USER", "STOPSIGNAL", "EXPOSE", "HEALTHCHECK", "CMD"]);

function replay({ keyword, flags, text }: Instruction, cwd: string, env: NodeJS.ProcessEnv): void {
  switch (keyword) {
    case "RUN":
      if (left.some((pattern) => pattern.test(text))) return void leftOut.push(text);
      return void execFileSync("sh", ["-c", text], { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
    case "COPY": {
      const names = text.split(/\s+/);
      const target = join(cwd, names.pop() ?? "");
      for (const name of names) {
        const source =
          flags["from"] === undefined
            ? join(context, name)
            : name.replace(/^\/app/, folders[flags["from"]] ?? "");
        cpSync(source, text.endsWith("/") ? join(target, basename(name)) : target, { recursive: true });
      }
      if (flags["chmod"] !== undefined) execFileSync("chmod", ["-R", flags["chmod"], target]);
      return;
    }
    case "WORKDIR":
      if (text === "/app") return;
      throw new Error(`the replay knows one folder, not ${text}`);
    default:
      if (aboutTheImage.has(keyword)) return;
      throw new Error(`the replay does not know ${keyword}`);
  }
}

test("what is in the image serves, works and sends", clone, async () => {
  const [, port = ""] = /^EXPOSE (\d+)$/m.exec(readFileSync(join(root, "Dockerfile"), "utf8")) ?? [];
  expect(port).toBe("50051");
  const env = { PATH: `${image}/bin:${dirname(process.execPath)}`, LOG_FORMAT: "json" };
  const server = start("event-server", { ...env, PORT: "0", STORE_URL: `sqlite:${dir.path}/data/events.db` });
  const { url } = await server.logged("listening");
  const address = new URL(String(url)).host;
  const worker = start("event-worker", {
    ...env,
    SERVER_ADDRESS: address,
    HANDLERS: `${image}/worker/handlers.js`,
  });
  try {
    const args = [
      "ingest",
      "--server",
      address,
      "--type",
      "user.signup",
      "--data",
      '{"email":"a@b.c"}',
      "--wait",
    ];
    const { stdout } = await promisify(execFile)("event", args, { env });
    expect(stdout).toContain("done");
    expect(healthCheck(address, env)).toBe(0);
    expect(await worker.stop()).toBe(0);
    expect(await server.stop()).toBe(0);
    expect(healthCheck(address, env)).toBe(1);
  } finally {
    worker.child.kill("SIGKILL");
    server.child.kill("SIGKILL");
  }
});

const stack = needs("git", "linux", "haproxy", await postgresOf());

test(
  "the stack of docker-compose.yml works, with processes for containers",
  { ...stack, timeout: 120_000 },
  async () => {
    const { services } = parse(readFileSync(join(root, "docker-compose.yml"), "utf8"), {
      merge: true,
    }) as Compose;
    await using postgres = await startPostgres();
    writeFileSync(join(dir.path, "store-url"), await postgres.createDatabase());
    const environment = (name: string, address = "") => {
      const there = Object.entries(services[name]?.environment ?? {});
      const here = (text: string) =>
        text.replace("/run/secrets", dir.path).replace("/app", image).replace("proxy:50051", address);
      return Object.fromEntries(there.map(([key, value]) => [key, here(String(value))]));
    };
    await using proxy = await startProxy({ ...environment("server"), LAME_DUCK_MS: "0" });
    const { host } = new URL(proxy.url);
    await proxy.start("127.0.0.7");
    await proxy.start("127.0.0.8");
    await expect.poll(() => statusOf(proxy.url, "/readyz"), { timeout: 20_000 }).toBe(200);

    const env = { PATH: `${image}/bin:${dirname(process.execPath)}`, LOG_FORMAT: "json" };
    const [program = ""] = services["worker"]?.command ?? [];
    const worker = start(program, { ...env, ...environment("worker", host), HEALTH_PORT: "0" });
    try {
      const [client = "", ...args] = services["client"]?.command ?? [];
      const { stdout } = await promisify(execFile)(client, args, {
        env: { ...env, ...environment("client", host) },
      });
      expect(stdout).toContain("done");
      expect(await worker.stop()).toBe(0);
    } finally {
      worker.child.kill("SIGKILL");
    }
  },
);

interface Compose {
  services: Record<string, { command?: string[]; environment?: Record<string, string | number> }>;
}

/** The exit code of the Dockerfile's health check in a container with this server. */
function healthCheck(address: string, env: NodeJS.ProcessEnv): number | null {
  const instruction = readDockerfile()[""]?.instructions.find(({ keyword }) => keyword === "HEALTHCHECK");
  const [command = "", ...args] = JSON.parse(instruction?.text.replace(/^CMD /, "") ?? "") as string[];
  const here = args.map((each) => each.replace("/app", image));
  expect(here).not.toEqual(args);
  const commandLine = join(dir.path, "cmdline");
  writeFileSync(commandLine, "node\0/app/bin/event-server\0");
  const { port } = new URL(`http://${address}`);
  return spawnSync(command, [...here, commandLine], { env: { ...env, PORT: port } }).status;
}

/** Starts a program of the image by its name and reads its log. */
function start(name: string, env: NodeJS.ProcessEnv) {
  const child = spawn(name, { env, cwd: dir.path, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(child.stdout);
  return {
    child,
    async logged(message: string): Promise<Record<string, unknown>> {
      for await (const line of lines) {
        const entry = JSON.parse(line) as Record<string, unknown>;
        if (entry.msg === message) return entry;
      }
      throw new Error(`${name} ended without saying "${message}"`);
    },
    async stop(): Promise<number | null> {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}
