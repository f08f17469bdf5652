import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type EventRequestSchema,
  EventService,
  type IngestBatchResponse,
  JobState,
  Outcome,
} from "@event-ingestion/api";
import { BadRequestSchema } from "@event-ingestion/api/error-details";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root, type ServerProcess, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { protocols } from "../support/transports.ts";

// The contract, row by row, over every protocol, against the binary that ships.

const dir = tempDir();
let server: ServerProcess;
beforeAll(async () => {
  const env = { STORE_URL: `sqlite:${dir.path}/events.db`, HANDLERS: `${root}test/support/handlers.ts` };
  server = await startServer({ env });
});
afterAll(async () => {
  await server.stop();
  dir[Symbol.dispose]();
});

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe.each(protocols)("over $name", ({ name, connect }) => {
  let client: Client<typeof EventService>;
  const hasStreams = !name.includes("HTTP/1.1");
  /** The ways of a batch to the server. */
  const ways = [
    { rpc: "IngestBatch", ingest: (batch: Batch) => client.ingestBatch(batch) },
    { rpc: "IngestStream", ingest: async (batch: Batch) => only((await stream([batch])).answers) },
  ].slice(0, hasStreams ? 2 : 1);
  /** What the batches of one stream are answered with, and what it ends with. */
  const stream = async (batches: Batch[]) => {
    const answers: IngestBatchResponse[] = [];
    const call = client.ingestStream(batchesOf(batches));
    const read = async () => {
      for await (const answer of call) answers.push(answer);
    };
    const error = await read().then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    return { answers, error };
  };
  beforeAll(() => {
    client = createClient(EventService, connect(server.url));
  });
  const ended = async (jobId: string) => {
    let status = await client.getStatus({ jobId });
    while (status.status === "processing") {
      await new Promise((resolve) => setTimeout(resolve, 10));
      status = await client.getStatus({ jobId });
    }
    return status;
  };

  test("a new event is stored, and done once its handler succeeded", async () => {
    const eventId = randomUUID();
    const answer = await client.ingestEvent({ eventId, payload: "hello", timestamp: 5n, type: "echo" });
    expect(answer).toMatchObject({
      accepted: true,
      message: "Event received successfully",
      outcome: Outcome.ACCEPTED,
      jobId: expect.stringMatching(uuidV7),
    });
    const status = await ended(answer.jobId);
    expect(status).toMatchObject({
      status: "done",
      state: JobState.SUCCEEDED,
      attempts: 1,
      maxAttempts: 12,
      result: "hello",
      lastError: "",
      jobId: answer.jobId,
      eventId,
      type: "echo",
      cancelRequested: false,
    });
    expect(timestampMs(status.acceptedAt ?? timestampFromMs(0))).toBeGreaterThan(Date.now() - 60_000);
    expect(timestampMs(status.finishedAt ?? timestampFromMs(0))).toBeGreaterThanOrEqual(
      timestampMs(status.acceptedAt ?? timestampFromMs(0)),
    );
  });

  test("the same event again is the same job, whatever its timestamp, also once it is done", async () => {
    const eventId = randomUUID();
    const first = await client.ingestEvent({ eventId, payload: "p", timestamp: 1n, type: "echo" });
    const again = await client.ingestEvent({ eventId, payload: "p", timestamp: 2n, type: "echo" });
    await ended(first.jobId);
    const late = await client.ingestEvent({ eventId, payload: "p", timestamp: 3n, type: "echo" });
    for (const answer of [again, late]) {
      expect(answer).toMatchObject({
        accepted: true,
        message: "Event received successfully",
        outcome: Outcome.DUPLICATE,
        jobId: first.jobId,
      });
    }
  });

  test.each([
    { other: "payload", event: { payload: "q", type: "echo" } },
    { other: "type", event: { payload: "p", type: "other" } },
  ])("the same event_id with another $other is a conflict that stores nothing", async ({ event }) => {
    const eventId = randomUUID();
    const first = await client.ingestEvent({ eventId, payload: "p", type: "echo" });
    expect(await client.ingestEvent({ eventId, ...event })).toMatchObject({
      accepted: false,
      message: "event_id already used with a different payload",
      jobId: "",
      outcome: Outcome.CONFLICT,
    });
    expect(await ended(first.jobId)).toMatchObject({ result: "p", type: "echo" });
  });

  test("an empty event_id is not accepted, and no error", async () => {
    expect(await client.ingestEvent({ payload: "p" })).toMatchObject({
      accepted: false,
      message: "No event id received",
      jobId: "",
      outcome: Outcome.INVALID,
    });
  });

  const tooLong = "x".repeat(129);
  const invalid = [
    {
      field: "event_id",
      event: { eventId: tooLong },
      message: "event_id must be at most 128 bytes, got 129",
    },
    { field: "event_id", event: { eventId: "a\0b" }, message: "event_id must not contain U+0000" },
    { field: "type", event: { type: tooLong }, message: "type must be at most 128 bytes, got 129" },
    { field: "type", event: { type: "a\0b" }, message: "type must not contain U+0000" },
    {
      field: "payload",
      event: { payload: "x".repeat(1024 * 1024 + 1) },
      message: "payload must be at most 1048576 bytes, got 1048577",
    },
  ];
  test.each(invalid)(
    "$message: an error of the unary rpc that names the field",
    async ({ field, event, message }) => {
      const error = await client
        .ingestEvent({ eventId: randomUUID(), ...event })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConnectError);
      const refusal = ConnectError.from(error);
      expect(refusal).toMatchObject({ code: Code.InvalidArgument, rawMessage: message });
      const [detail] = refusal.findDetails(BadRequestSchema);
      expect(detail?.fieldViolations).toMatchObject([{ field, description: message }]);
    },
  );

  const invalidEvents = (count: number) =>
    invalid.slice(0, count).map(({ event }) => Object.assign({ eventId: randomUUID() }, event));
  test.each(ways)(
    "$rpc answers each event by itself, in order, bad ones among good ones",
    async ({ ingest }) => {
      const known = randomUUID();
      const first = await client.ingestEvent({ eventId: known, payload: "p", type: "echo" });
      const fresh = randomUUID();
      const { results } = await ingest({
        events: [
          { eventId: fresh, payload: "1", type: "echo" },
          { eventId: "", payload: "2" },
          { eventId: known, payload: "p", type: "echo" },
          ...invalidEvents(4),
          { eventId: known, payload: "other", type: "echo" },
          { eventId: fresh, payload: "1", type: "echo" },
          { eventId: fresh, payload: "2", type: "echo" },
        ],
      });
      expect(results.map(({ accepted, outcome, message }) => ({ accepted, outcome, message }))).toEqual([
        { accepted: true, outcome: Outcome.ACCEPTED, message: "Event received successfully" },
        { accepted: false, outcome: Outcome.INVALID, message: "No event id received" },
        { accepted: true, outcome: Outcome.DUPLICATE, message: "Event received successfully" },
        ...invalid.slice(0, 4).map(({ message }) => ({ accepted: false, outcome: Outcome.INVALID, message })),
        {
          accepted: false,
          outcome: Outcome.CONFLICT,
          message: "event_id already used with a different payload",
        },
        { accepted: true, outcome: Outcome.DUPLICATE, message: "Event received successfully" },
        {
          accepted: false,
          outcome: Outcome.CONFLICT,
          message: "event_id already used with a different payload",
        },
      ]);
      expect(results[2]?.jobId).toBe(first.jobId);
      expect(results[8]?.jobId).toBe(results[0]?.jobId);
      expect((await ended(results[0]?.jobId ?? "")).result).toBe("1");
    },
  );

  const over = { events: Array.from({ length: 1001 }, (_, n) => ({ eventId: `over-${n}` })) };
  const overLimit = { code: Code.InvalidArgument, rawMessage: "events must be at most 1000, got 1001" };

  test("an empty batch has no results; one of 1,001 events is refused whole", async () => {
    expect((await client.ingestBatch({ events: [] })).results).toEqual([]);
    await expect(client.ingestBatch(over)).rejects.toMatchObject(overLimit);
  });

  test("process_after holds a job back, and the answer says until when", async () => {
    const due = Date.now() + 3_600_000;
    const { jobId } = await client.ingestEvent({ eventId: randomUUID(), processAfter: timestampFromMs(due) });
    const status = await client.getStatus({ jobId });
    expect(status).toMatchObject({ status: "processing", state: JobState.QUEUED, attempts: 0 });
    expect(timestampMs(status.nextAttemptAt ?? timestampFromMs(0))).toBe(due);
  });

  test("a rejected event has failed, and says why", async () => {
    const { jobId } = await client.ingestEvent({ eventId: randomUUID(), type: "reject" });
    expect(await ended(jobId)).toMatchObject({
      status: "failed",
      state: JobState.DEAD,
      lastError: "no good",
    });
  });

  test("a failed attempt is tried again", async () => {
    const { jobId } = await client.ingestEvent({ eventId: randomUUID(), type: "fail-once" });
    expect(await ended(jobId)).toMatchObject({
      status: "done",
      attempts: 2,
      lastError: "first attempt fails",
      result: "attempt 2",
    });
  });

  test.each([
    "018f0000-0000-7000-8000-000000000000",
    "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "nonsense",
    "",
    "x".repeat(10_000),
    "\0",
  ])("an id that is none is not found: %j", async (jobId) => {
    expect(await client.getStatus({ jobId })).toMatchObject({
      status: "not found",
      state: JobState.UNSPECIFIED,
      revision: 0n,
    });
  });

  test("timestamps reach both ends of int64", async () => {
    for (const timestamp of [2n ** 63n - 1n, -(2n ** 63n)]) {
      const { outcome } = await client.ingestEvent({ eventId: randomUUID(), timestamp, type: "echo" });
      expect(outcome).toBe(Outcome.ACCEPTED);
    }
  });

  if (!hasStreams) return;
  test("a stream answers batch by batch, and an error after the answers before it", async () => {
    const eventId = randomUUID();
    const { answers, error } = await stream([
      { events: [{ eventId, type: "echo" }] },
      { events: [] },
      { events: [{ eventId, type: "echo" }, { payload: "no id" }] },
      over,
      { events: [{ eventId, payload: "other", type: "echo" }] },
    ]);
    expect(error).toMatchObject(overLimit);
    expect(error?.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject([{ field: "events" }]);
    expect(answers.map(({ results }) => results.map(({ outcome }) => outcome))).toEqual([
      [Outcome.ACCEPTED],
      [],
      [Outcome.DUPLICATE, Outcome.INVALID],
    ]);
    expect(answers[2]?.results[0]?.jobId).toBe(answers[0]?.results[0]?.jobId);
  });
});

test.each(["grpc-web+proto", "connect+proto", "connect+json"])(
  "a stream over HTTP/1.1 is refused as such: %s",
  async (type) => {
    const headers = { "content-type": `application/${type}` };
    const response = await fetch(`${server.url}/event.EventService/IngestStream`, {
      method: "POST",
      headers,
    });
    expect(response.status).toBe(505);
  },
);

interface Batch {
  events: MessageInitShape<typeof EventRequestSchema>[];
}

async function* batchesOf(batches: readonly Batch[]) {
  yield* batches;
}

function only<T>(items: readonly T[]): T {
  const [item, ...others] = items;
  if (item === undefined || others.length > 0) throw new Error(`expected one, got ${items.length}`);
  return item;
}
