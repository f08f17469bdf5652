import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type ConformanceBackend, storeConformance } from "@event-ingestion/store/conformance";
import { openSqliteStore } from "./sqlite-store.ts";

const folder = mkdtempSync(join(tmpdir(), "store-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true }));

storeConformance(
  "SQLite file",
  backend((name) => `sqlite:${folder}/${name}.db`),
);
storeConformance(
  "SQLite memory",
  backend(() => "sqlite::memory:"),
);

function backend(urlOf: (name: string) => string): ConformanceBackend {
  const clockOffset = new SharedArrayBuffer(8);
  return {
    open: (name) => openSqliteStore(urlOf(name), { reserveBytes: 0, clockOffset }),
    async elapse(ms) {
      Atomics.add(new BigInt64Array(clockOffset), 0, BigInt(ms));
    },
    spanMs: 3_600_000,
  };
}
