import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { needs } from "@event-ingestion/needs";
import { DCLinter } from "dclint";
import { validate } from "dockerfile-utils";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// The files of the containers, as far as they can be checked without an engine. The image's build is replayed by
// containers-build.test.ts, the proxy by proxy.test.ts.

const read = (name: string) => readFileSync(join(root, name), "utf8");

interface Service {
  image: string;
  user?: string;
  command?: string[];
  environment?: Record<string, string | number>;
  secrets?: string[];
  volumes?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  restart?: string;
  profiles?: string[];
  depends_on?: Record<string, unknown>;
  stop_grace_period?: string;
  deploy?: { replicas?: unknown; resources?: { limits?: { cpus?: string; memory?: string } } };
}
interface Compose {
  services: Record<string, Service>;
  secrets: Record<string, { file: string }>;
}

const compose = parse(read("docker-compose.yml"), { merge: true }) as Compose;
const services = Object.entries(compose.services);

test("docker-compose.yml is valid by the schema of compose", () => {
  // What these rules want is taste: an order by the alphabet, fewer quotes, block style.
  const matters = {
    "no-quotes-in-volumes": 0,
    "require-quotes-in-ports": 0,
    "service-keys-order": 0,
  } as const;
  const order = { "services-alphabetical-order": 0, "top-level-properties-order": 0 } as const;
  const linter = new DCLinter({ rules: { ...matters, ...order }, quiet: true, debug: false, exclude: [] });
  const results: { messages: unknown[] }[] = linter.lintFiles([join(root, "docker-compose.yml")], false);
  expect(results.map(({ messages }) => messages)).toEqual([[]]);
});

test("the Dockerfile has no fault that a linter finds", () => {
  expect(validate(read("Dockerfile"))).toEqual([]);
});

test("the services of the stack", () => {
  expect(Object.keys(compose.services)).toEqual(["postgres", "server", "proxy", "worker", "client"]);
  expect(compose.services.server?.deploy?.replicas).toBe(2);
  expect(services.filter(([, { profiles }]) => profiles?.includes("demo")).map(([name]) => name)).toEqual([
    "client",
  ]);
});

test.each(services)("%s: read-only root, no capabilities, no root user, limits", (_name, service) => {
  expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"], stop_grace_period: "30s" });
  expect(service.deploy?.resources?.limits).toEqual({
    cpus: expect.stringMatching(/^\d+$/),
    memory: expect.stringMatching(/^\d+[mg]$/),
  });
  // Of the images that are not ours HAProxy's has a user of its own already.
  const ours = service.image.startsWith("event-ingestion:");
  expect(service.user ?? (ours ? /^USER (.+)$/m.exec(read("Dockerfile"))?.[1] : "of the image")).not.toBe(
    "root",
  );
});

test.each(["server", "worker", "client"])("%s: every variable is one that its program knows", (name) => {
  const service = compose.services[name];
  const [program = "event-server"] = service?.command ?? [];
  const main = { "event-server": "server", "event-worker": "worker", event: "client" }[program];
  const help = execFileSync(process.execPath, [join(root, `apps/${main}/dist/main.js`), "--help"]).toString();
  for (const variable of Object.keys(service?.environment ?? {})) expect(help).toContain(variable);
});

test(
  "a password reaches a container as a file that make writes, never as a variable",
  needs("make", "git"),
  () => {
    for (const [, { environment = {}, secrets = [] }] of services) {
      expect(Object.keys(environment).filter((name) => /(PASSWORD|TOKEN|STORE_URL)$/.test(name))).toEqual([]);
      const files = Object.entries(environment).filter(([name]) => name.endsWith("_FILE"));
      expect(files.map(([, path]) => path)).toEqual(secrets.map((secret) => `/run/secrets/${secret}`));
    }
    const made = execFileSync("make", ["-n", "up", "--always-make"], { cwd: root }).toString();
    for (const { file } of Object.values(compose.secrets)) expect(made).toContain(`> ${file.slice(2)}`);
    const ignored = Object.values(compose.secrets).map(({ file }) => file.slice(2));
    expect(
      execFileSync("git", ["check-ignore", ...ignored], { cwd: root })
        .toString()
        .trim(),
    ).toBe(ignored.join("\n"));
    expect(read(".dockerignore")).toMatch(/^deploy\/secrets$/m);
  },
);

test("what is mounted from the repository is there", () => {
  const mounts = services.flatMap(([, { volumes = [] }]) => volumes).filter((each) => each.startsWith("./"));
  expect(mounts).toHaveLength(1);
  for (const mount of mounts) expect(existsSync(join(root, mount.split(":")[0] ?? ""))).toBe(true);
});

const targets: Record<string, string[]> = {
  help: [],
  build: ["build"],
  up: ["up --build --detach --wait"],
  "up-fg": ["up --build"],
  down: ["down --remove-orphans"],
  logs: ["logs --follow --tail=100"],
  "logs-server": ["logs --follow --tail=100 server"],
  "logs-worker": ["logs --follow --tail=100 worker"],
  restart: ["restart server worker"],
  rebuild: ["build --no-cache", "up --detach --wait"],
  ps: ["ps"],
  clean: ["--profile demo down --volumes --rmi local --remove-orphans"],
  test: ["up --build --detach --wait", "--profile demo run --rm client"],
};

test.each(Object.entries(targets))("make %s", needs("make"), (target, commands) => {
  const said = execFileSync("make", ["-n", target, "COMPOSE=engine"], { cwd: root }).toString();
  const calls = said.split("\n").filter((line) => line.startsWith("engine "));
  expect(calls).toEqual(commands.map((command) => `engine ${command}`));
});

test(
  "make up makes the passwords once, in a closed folder, and hands its variables on",
  needs("make"),
  () => {
    using dir = tempDir();
    const up = () => {
      const args = ["--file", join(root, "Makefile"), "up", "WORKERS=4", "COMPOSE=sh -c env engine"];
      return execFileSync("make", args, { cwd: dir.path, encoding: "utf8" });
    };
    expect(up()).toMatch(/^WORKERS=4$/m);
    const secrets = join(dir.path, "deploy/secrets");
    const password = readFileSync(join(secrets, "postgres-password"), "utf8");
    expect(password).toMatch(/^[0-9a-f]{48}$/);
    expect(readFileSync(join(secrets, "store-url"), "utf8")).toBe(
      `postgres://event:${password}@postgres:5432/event`,
    );
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    up();
    expect(readFileSync(join(secrets, "postgres-password"), "utf8")).toBe(password);
  },
);

test("make without a target shows them all", needs("make"), () => {
  const shown = execFileSync("make", { cwd: root }).toString().trim().split("\n");
  expect(new Set(shown.map((line) => line.split(" ")[0]))).toEqual(new Set(Object.keys(targets)));
});
