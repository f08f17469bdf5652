import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./server-process.ts";

/** Copies what git tracks, and would track, into `target`: a fresh clone of the work as it is now. */
export function checkout(target: string): void {
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  for (const name of list.toString().split("\0").filter(Boolean)) {
    mkdirSync(dirname(join(target, name)), { recursive: true });
    cpSync(join(root, name), join(target, name));
  }
}
