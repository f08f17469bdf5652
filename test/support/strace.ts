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
