import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Not the system's folder for temporary files: that is often memory, where an fsync costs nothing.
const parent = fileURLToPath(new URL("../../node_modules/.cache", import.meta.url));

/** A folder on the disk of the checkout that is gone at the end of the scope. */
export function tempDir(): Disposable & { path: string } {
  mkdirSync(parent, { recursive: true });
  const path = mkdtempSync(join(parent, "bench-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
