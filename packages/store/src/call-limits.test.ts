import { expect, test } from "vitest";
import {
  checkExportLimit,
  checkImportSize,
  checkListLimit,
  checkStoredJob,
  checkTtl,
} from "./call-limits.ts";
import type { State, StoredJob } from "./job-store.ts";
import { stateCode, stateName } from "./state-code.ts";

const caps = { maxBatch: 2, maxPayloadBytes: 3 };
const job: StoredJob = {
  jobId: "id",
  tenant: "",
  eventId: "event",
  type: "",
  timestamp: 0n,
  state: "QUEUED",
  attempts: 0,
  maxAttempts: 1,
  acceptedAt: 0,
  cancelRequested: false,
  revision: 3,
  payload: new Uint8Array(3),
  errors: [],
  budget: 1,
  losses: 0,
};
const refusal = (message: string): unknown =>
  expect.objectContaining({ outcome: "notApplied", reason: "invalid", message });

test("what is within its limits is taken", () => {
  expect(() => {
    for (const limit of [1, 1000]) checkListLimit(limit);
    for (const limit of [1, 2]) checkExportLimit(limit, caps);
    for (const ttlMs of [1, Number.MAX_SAFE_INTEGER]) checkTtl(ttlMs);
    checkImportSize([job, job], caps);
    checkStoredJob(job, caps);
  }).not.toThrow();
});

test.each([0, 1001, 1.5, Number.NaN])("a limit of %d is refused", (limit) => {
  const refused = (max: number) => refusal(`limit must be a whole number from 1 to ${max}, got ${limit}`);
  expect(() => checkListLimit(limit)).toThrow(refused(1000));
  expect(() => checkExportLimit(limit, caps)).toThrow(refused(2));
});

test.each([0, 0.5, Infinity, Number.NaN])("a lease of %d ms is refused", (ttlMs) => {
  expect(() => checkTtl(ttlMs)).toThrow(
    refusal(`ttlMs must be a whole number of milliseconds from 1, got ${ttlMs}`),
  );
});

test("too many jobs are refused, and one that runs, or whose event breaks a rule", () => {
  expect(() => checkImportSize([job, job, job], caps)).toThrow(refusal("a batch has at most 2 jobs, got 3"));
  expect(() => checkStoredJob({ ...job, state: "RUNNING" }, caps)).toThrow(refusal("job id is RUNNING"));
  const large = { ...job, payload: new Uint8Array(4) };
  expect(() => checkStoredJob(large, caps)).toThrow(
    refusal("job id: payload must be at most 3 bytes, got 4"),
  );
  expect(() => checkStoredJob({ ...job, budget: 0 }, caps)).toThrow(/^job id: max_attempts must be/);
});

test("each state has a number of its own, and no other number is a state", () => {
  const states = Object.keys(stateCode);
  expect(states.map((state) => stateName(stateCode[state as State]))).toEqual(states);
  expect([0, 6, -1, 1.5].map(stateName)).toEqual([undefined, undefined, undefined, undefined]);
});
