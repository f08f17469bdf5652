import { describe } from "vitest";
import { aloneCases } from "./alone.ts";
import { appendBatchCases } from "./append-batches.ts";
import { appendLimitCases } from "./append-limits.ts";
import { appendCases } from "./append.ts";
import type { ConformanceBackend } from "./backend.ts";
import { cancelCases } from "./cancel.ts";
import { createCase } from "./case.ts";
import { claimCases } from "./claim.ts";
import { exportCases } from "./export.ts";
import { fenceCases } from "./fence.ts";
import { hintCases } from "./hints.ts";
import { importCases } from "./import.ts";
import { leaseCases } from "./lease.ts";
import { listCases } from "./list.ts";
import { maintainCases } from "./maintain.ts";
import { modelCases } from "./model/run.ts";
import { readCases } from "./read.ts";
import { redriveCases } from "./redrive.ts";
import { settleCases } from "./settle.ts";
import { stormCases } from "./storm.ts";

export type { ConformanceBackend } from "./backend.ts";

/** Much, since some engines sleep where others move a clock. */
const timeoutMs = 60_000;

/** Declares every case of the port over this backend, for vitest. */
export function storeConformance(name: string, backend: ConformanceBackend): void {
  const check = createCase(backend);
  describe(`${name}: store conformance`, { timeout: timeoutMs }, () => {
    describe("append", () => {
      appendCases(check);
      appendBatchCases(check);
      appendLimitCases(check);
    });
    describe("claim", () => {
      claimCases(check);
      leaseCases(check);
      aloneCases(check);
    });
    describe("settle", () => {
      settleCases(check);
      fenceCases(check);
    });
    describe("cancel and redrive", () => {
      cancelCases(check);
      redriveCases(check);
    });
    describe("read", () => {
      readCases(check);
      listCases(check);
    });
    describe("move", () => {
      exportCases(check);
      importCases(check);
    });
    describe("maintain", () => {
      maintainCases(check);
    });
    describe("hints", () => {
      hintCases(check);
    });
    describe("random", () => {
      modelCases(backend);
      stormCases(check);
    });
  });
}
