import { Code } from "@connectrpc/connect";
import { BadRequestSchema } from "@event-ingestion/api/error-details";
import { SettleRequestSchema } from "@event-ingestion/api/worker/v1";
import { expect, test } from "vitest";
import { refusal, startServer } from "./testing/start-server.ts";

test("a batch of more than 1,000 events is refused as a whole, with the field, the limit and what came", async () => {
  const { client, store, events } = await startServer();
  const batch = Array.from({ length: 1001 }, (_, n) => ({ eventId: `e${n}` }));
  const error = await refusal(client.ingestBatch({ events: batch }));
  expect([error.code, error.rawMessage]).toEqual([
    Code.InvalidArgument,
    "events must be at most 1000, got 1001",
  ]);
  const [detail] = error.findDetails(BadRequestSchema);
  expect(detail?.fieldViolations).toMatchObject([{ field: "events", description: error.rawMessage }]);
  expect(events).toContainEqual({ kind: "rejected", reason: "invalid", count: 1001 });
  expect(await store.find("", ["e0"])).toEqual([null]);
  const { results } = await client.ingestBatch({ events: batch.slice(0, 1000) });
  expect(results.filter(({ accepted }) => accepted)).toHaveLength(1000);
});

/** Empty elements of a field, 4 MiB of them. */
function flood(fieldNumber: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(4 << 20);
  for (let at = 0; at < body.length; at += 2) body[at] = (fieldNumber << 3) | 2;
  return body;
}

test("a flood of verdicts is refused in the same way", async () => {
  const { url, store } = await startServer();
  const headers = { "content-type": "application/proto" };
  const body = flood(SettleRequestSchema.field.verdicts.number);
  const answer = await fetch(`${url}/event.worker.v1.WorkerService/Settle`, {
    method: "POST",
    headers,
    body,
  });
  expect(await answer.json()).toMatchObject({
    code: "invalid_argument",
    message: `verdicts must be 1 to ${store.caps.maxBatch}, got 2097152`,
  });
});

test("a flood of empty events is refused in little time and memory", async () => {
  const { url, events } = await startServer();
  const body = flood(1);
  const before = process.memoryUsage().heapTotal;
  const headers = { "content-type": "application/proto" };
  const answer = await fetch(`${url}/event.EventService/IngestBatch`, { method: "POST", headers, body });
  expect(await answer.json()).toMatchObject({
    code: "invalid_argument",
    message: "events must be at most 1000, got 2097152",
  });
  expect(events).toContainEqual({ kind: "rejected", reason: "invalid", count: 2_097_152 });
  // Decoded, they would take more than 260 MB.
  expect(process.memoryUsage().heapTotal - before).toBeLessThan(100_000_000);
});

test("the limits of the network layer are options", async () => {
  const { client } = await startServer(undefined, { limits: { readMaxBytes: 1000, maxBytesInFlight: 2000 } });
  const error = await refusal(client.ingestEvent({ eventId: "a", payload: "x".repeat(1000) }));
  expect(error.code).toBe(Code.ResourceExhausted);
  expect((await client.ingestEvent({ eventId: "a", payload: "x".repeat(900) })).accepted).toBe(true);
});
