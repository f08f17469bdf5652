/** A command that makes the 25th fsync of a thread fail, which is some commits after the store was opened. */
export const failingDisk = [
  "strace",
  "-f",
  "-qq",
  "-o",
  "/dev/null",
  "-e",
  "inject=fsync:error=EIO:when=25",
] as const;

/** A command that kills what is appended to it at its n-th fsync. */
export function killedAtSync(n: number): [string, ...string[]] {
  return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", `inject=fsync:signal=SIGKILL:when=${n}`];
}
