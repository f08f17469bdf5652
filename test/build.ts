import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Builds everything once: the system tests start what ships. */
export default function build(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  execFileSync("pnpm", ["run", "build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}
