import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { BadRequestSchema } from "@event-ingestion/api/error-details";
import { SettleRequestSchema } from "@event-ingestion/api/worker/v1";
import { expect, test } from "vitest";
import { openPoster } from "./http/testing/post-raw.ts";
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

test.each([
  "event.EventService/GetStatus",
  "event.worker.v1.WorkerService/Heartbeat",
  "grpc.health.v1.Health/Check",
])("%s takes no more than ids and names, in either format", async (rpc) => {
  const { url } = await startServer();
  for (const [type, body] of [
    ["application/json", `{"x":"${"y".repeat(65_529)}"}`],
    ["application/proto", new Uint8Array(65_537)],
  ] as const) {
    const answer = await fetch(`${url}/${rpc}`, { method: "POST", headers: { "content-type": type }, body });
    expect(await answer.json()).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/Request must be at most 65536 bytes, got 65537$/),
    });
  }
});

test("events that differ in bytes that are not UTF-8 are refused, and none is answered for another", async () => {
  const { url, store } = await startServer();
  const headers = { "content-type": "application/json" };
  for (const byte of ["\u00e9", "\u00e8"]) {
    const body = Buffer.from(`{"event_id":"caf${byte}","payload":"x"}`, "latin1");
    const answer = await fetch(`${url}/event.EventService/IngestEvent`, { method: "POST", headers, body });
    expect(answer.status).toBe(400);
  }
  expect(await store.find("", ["caf\uFFFD"])).toEqual([null]);
});

test("a timestamp that a JSON number cannot hold is refused by name, in a batch and in a stream too", async () => {
  const { url } = await startServer();
  const message = /timestamp must be exact, and a JSON number is not: send 1700000000000000001 as a string/;
  const event = `{"eventId":"e","timestamp":1700000000000000001}`;
  for (const [rpc, body] of [
    ["IngestEvent", event],
    ["IngestBatch", `{"events":[${event}]}`],
  ] as const) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/event.EventService/${rpc}`, { method: "POST", headers, body });
    expect(await answer.json()).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(message),
    });
  }
  const post = openPoster({ baseUrl: url, cert: undefined });
  const stream = encodeEnvelope(0, Buffer.from(`{"events":[${event}]}`));
  const type = { "content-type": "application/connect+json" };
  const answer = await post("/event.EventService/IngestStream", type, stream);
  expect([answer.outcome, answer.body.toString()]).toEqual([
    "invalid_argument",
    expect.stringMatching(message),
  ]);
});
