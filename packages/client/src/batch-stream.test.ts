import { create } from "@bufbuild/protobuf";
import { IngestBatchResponseSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { openBatchStream } from "./batch-stream.ts";

/** A stream to a peer that answers as many batches as it is told to. */
function setup({ answers }: { answers: number }) {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const signals: AbortSignal[] = [];
  const stream = openBatchStream(async function* (batches, signal) {
    signals.push(signal);
    let count = 0;
    for await (const _ of batches) if (count++ < answers) yield create(IngestBatchResponseSchema);
    end();
  });
  return { stream, ended, signals };
}

test("closed with all answers there, the stream is ended, not cut", async () => {
  const { stream, ended, signals } = setup({ answers: 1 });
  await stream.send({ events: [] });
  stream.close();
  expect(stream.open).toBe(false);
  await ended;
  expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
});

test("closed before, it is cut", async () => {
  const { stream, signals } = setup({ answers: 1 });
  await stream.send({ events: [] });
  void stream.send({ events: [] }).catch(() => undefined);
  stream.close();
  expect(stream.open).toBe(false);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
});

test("what ends it is told to all who wait", async () => {
  const stream = openBatchStream(async function* (batches) {
    for await (const _ of batches) throw new Error("broken");
    yield create(IngestBatchResponseSchema);
  });
  const sent = [stream.send({ events: [] }), stream.send({ events: [] })];
  const outcomes = await Promise.allSettled(sent);
  expect(outcomes.map((outcome) => outcome.status === "rejected" && String(outcome.reason))).toEqual([
    "Error: broken",
    "Error: broken",
  ]);
  expect(stream.open).toBe(false);
});
