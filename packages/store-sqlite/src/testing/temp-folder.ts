import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that goes with its scope. */
export function tempFolder(): Disposable & { readonly path: string; file: (name: string) => string } {
  const path = mkdtempSync(join(tmpdir(), "store-sqlite-"));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}
