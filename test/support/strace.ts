import { spawnSync } from "node:child_process";

/** Whether system calls can be recorded and made to fail here: strace is installed, and allowed. */
const hasStrace: boolean = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]).status === 0;

/** In CI a machine without strace fails the tests that need it; elsewhere they are skipped, and the name says why. */
export const skipWithoutStrace: boolean = !hasStrace && process.env.CI === undefined;

/**
 * The words before a command that tamper with its system calls on `paths`, for example "fsync:error=EIO:when=9".
 * The command stays the direct child, and its other calls run at full speed.
 */
export function injecting(injection: string, paths: readonly string[]): string[] {
  const [call = ""] = injection.split(":");
  const only = paths.flatMap((path) => ["-P", path]);
  const inject = ["-e", `trace=${call}`, "-e", `inject=${injection}`];
  return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", ...only, ...inject];
}
