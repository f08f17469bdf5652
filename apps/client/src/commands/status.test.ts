import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { StatusResponseSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { describe } from "./status.ts";

const at = (seconds: number) => ({ seconds: BigInt(seconds) });

test.each<[MessageInitShape<typeof StatusResponseSchema>, string]>([
  [{ status: "not found" }, "j not found"],
  [{ status: "cancelled" }, "j cancelled"],
  [{ status: "done", acceptedAt: at(10), finishedAt: at(12), result: "ok" }, "j done in 2.0 s: ok"],
  [{ status: "done" }, "j done"],
  [{ status: "done", result: "a\nb\u001B[2J\u009B" }, "j done: a\\nb\\u001b[2J\\u009b"],
  [{ status: "failed", attempts: 3, maxAttempts: 3, lastError: "oh" }, "j failed after 3 of 3 attempts: oh"],
  [{ status: "processing", attempts: 0, maxAttempts: 1 }, "j processing, 0 of 1 attempt"],
  [
    { status: "processing", attempts: 2, maxAttempts: 12, nextAttemptAt: at(105), lastError: "oh" },
    "j processing, 2 of 12 attempts, next in 5.0 s: oh",
  ],
  [
    { status: "processing", attempts: 2, maxAttempts: 12, nextAttemptAt: at(99) },
    "j processing, 2 of 12 attempts",
  ],
])("%o", (job, wanted) => {
  expect(describe(create(StatusResponseSchema, { jobId: "j", ...job }), 100_000)).toBe(wanted);
});
