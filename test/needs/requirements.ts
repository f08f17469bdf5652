import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isLong } from "./long.ts";

/** Something outside the repository that a test uses. */
export interface Requirement {
  name: string;
  isThere: () => boolean;
  /** Whether .ci/run installs it. Not what a machine allows, such as to mount. */
  isInstalledOnCi: boolean;
  /** What to say where it is not there. Default: the name, "is missing". */
  otherwise?: string;
}

const succeeds = (command: string, ...args: string[]) =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** Whether the command is there to be started. */
function isOnPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)));
}

const command = (name: string): Requirement => ({
  name,
  isThere: () => isOnPath(name),
  isInstalledOnCi: true,
});

const ability = (name: string, isThere: () => boolean, otherwise: string): Requirement => ({
  name,
  isThere,
  isInstalledOnCi: false,
  otherwise,
});

/** The environment that .ci/run makes, else the machine's own Python. */
const pythons = [fileURLToPath(new URL("../../.venv/bin/python", import.meta.url)), "python3"];
const hasGrpc = (python: string) => succeeds(python, "-c", "import grpc, grpc_tools");

/** The Python that can do gRPC; only for tests that need "grpcio". */
export function pythonWithGrpc(): string {
  return pythons.find(hasGrpc) ?? "python3";
}

const mount = 'mount -t tmpfs -o size=4m tmpfs "$0"';

const requirements = {
  connectconformance: command("connectconformance"),
  curl: command("curl"),
  git: {
    ...command("git"),
    isThere: () => succeeds("git", "ls-files", "--error-unmatch", "package.json"),
    otherwise: "git is missing, or the folder is no clone",
  },
  ghz: command("ghz"),
  go: ability("go", () => isOnPath("go"), "there is no Go"),
  "grpc-health-probe": command("grpc-health-probe"),
  grpcurl: command("grpcurl"),
  h2spec: command("h2spec"),
  haproxy: command("haproxy"),
  make: command("make"),
  openssl: command("openssl"),
  pg_dump: command("pg_dump"),
  pgbouncer: command("pgbouncer"),
  prlimit: command("prlimit"),
  /** And grpcio-tools. */
  grpcio: {
    ...command("grpcio"),
    isThere: () => pythons.some(hasGrpc),
    otherwise: "grpcio of Python is missing",
  },
  "systemd-analyze": command("systemd-analyze"),
  /** That may take capabilities from root. */
  setpriv: {
    ...command("setpriv"),
    isThere: () => process.getuid?.() !== 0 || succeeds("setpriv", "--bounding-set=-dac_override", "true"),
    otherwise: "setpriv is missing, or not allowed",
  },
  /** That may look into processes and make their system calls fail. */
  strace: {
    ...command("strace"),
    isThere: () =>
      succeeds("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=25", "true"),
    otherwise: "strace is missing, or not allowed",
  },
  linux: ability("linux", () => process.platform === "linux", "this is not Linux"),
  /** Time: a run that has less leaves such a test to CI. */
  "LONG=1": ability("LONG=1", () => isLong, "it takes long, LONG=1 runs it"),
  "/dev/shm": ability("/dev/shm", () => existsSync("/dev/shm"), "there is no /dev/shm"),
  "/dev/full": ability("/dev/full", () => existsSync("/dev/full"), "there is no /dev/full"),
  /** A small disk, in a mount namespace of its own. */
  mount: ability(
    "mount",
    () => succeeds("unshare", "--map-root-user", "--mount", "sh", "-c", mount, tmpdir()),
    "nobody may mount here",
  ),
} satisfies Record<string, Requirement>;

/** What tests need by name. */
export type Known = keyof typeof requirements;

const found = new Map<Known, boolean>();

/** The requirement of that name; a process looks for it once. */
export function known(name: Known): Requirement {
  const requirement: Requirement = requirements[name];
  const isThere = () => {
    const isFound = found.get(name) ?? requirement.isThere();
    found.set(name, isFound);
    return isFound;
  };
  return { ...requirement, isThere };
}
