import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { type EventRequest, EventRequestSchema, EventService, Outcome } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createEventClient, type EventClient } from "./client.ts";
import type { ClientEvent, EventClientOptions } from "./options.ts";

const jobId = "0199aaaa-0000-7000-8000-000000000001";

/** A service that fails as the script says, then accepts. */
function setup(script: ConnectError[], options: Partial<EventClientOptions> = {}) {
  const requests: EventRequest[] = [];
  const observed: ClientEvent[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(EventService, {
      ingestEvent(request) {
        requests.push(request);
        const error = script.shift();
        if (error !== undefined) throw error;
        return { accepted: true, jobId, outcome: Outcome.ACCEPTED };
      },
    }),
  );
  const observe = (event: ClientEvent) => void observed.push(event);
  return { client: createEventClient({ transport, observe, ...options }), requests, observed };
}

/** What a call fails with, for a call that fails later. */
const failure = (call: Promise<unknown>) =>
  call.then(
    () => "no failure",
    (error: unknown) => error,
  );
const unavailable = () => new ConnectError("full", Code.Unavailable);
const later = (seconds: bigint) =>
  new ConnectError("later", Code.ResourceExhausted, undefined, [
    { desc: RetryInfoSchema, value: { retryDelay: { seconds } } },
  ]);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("ingest", () => {
  test("makes an event id and a timestamp", async () => {
    vi.setSystemTime(1_800_000_000_123);
    const { client, requests } = setup([]);
    const { eventId, response } = await client.ingest({ payload: "{}", type: "order.created" });
    expect(response).toMatchObject({ accepted: true, jobId, outcome: Outcome.ACCEPTED });
    expect(eventId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(requests).toMatchObject([
      { eventId, payload: "{}", type: "order.created", timestamp: 1_800_000_000_123n },
    ]);
  });

  test("sends what it is given, and leaves it as it is", async () => {
    const { client, requests } = setup([]);
    const given = { eventId: "mine", payload: "p", timestamp: 0n, processAfter: { seconds: 5n } };
    const event = Object.freeze(given);
    expect((await client.ingest(event)).eventId).toBe("mine");
    expect(requests).toMatchObject([{ eventId: "mine", timestamp: 0n, processAfter: { seconds: 5n } }]);
  });

  test("takes a message whose id is not set, and leaves it as it is", async () => {
    const { client, requests } = setup([]);
    const message = create(EventRequestSchema, { payload: "p", timestamp: 7n });
    const { eventId } = await client.ingest(message);
    expect(eventId).not.toBe("");
    expect(requests).toMatchObject([{ eventId, timestamp: 7n }]);
    expect(message.eventId).toBe("");
  });

  test("tries again with the same event until there is an answer", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { client, requests, observed } = setup([unavailable(), unavailable()]);
    const sent = client.ingest({ payload: "p" });
    await vi.advanceTimersByTimeAsync(100);
    expect(requests).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(199);
    expect(requests).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    const { eventId } = await sent;
    expect(requests.map((request) => request.eventId)).toEqual([eventId, eventId, eventId]);
    expect(new Set(requests.map(({ timestamp }) => timestamp)).size).toBe(1);
    expect(observed).toMatchObject([
      { kind: "retry", tries: 1, waitMs: 100, error: { code: Code.Unavailable } },
      { kind: "retry", tries: 2, waitMs: 200, error: { code: Code.Unavailable } },
    ]);
  });

  test("waits as long as the server asks", async () => {
    const { client, requests } = setup([later(7n)]);
    const sent = client.ingest({ payload: "p" });
    await vi.advanceTimersByTimeAsync(6999);
    expect(requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(sent).resolves.toMatchObject({ response: { accepted: true } });
  });

  test("gives up at once when the delay does not fit into the timeout", async () => {
    const { client, requests, observed } = setup([later(7n)]);
    await expect(client.ingest({ payload: "p" }, { timeoutMs: 5000 })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
    expect(requests).toHaveLength(1);
    expect(observed).toEqual([]);
  });

  test("gives up after maxTries with the last error", async () => {
    const { client, requests } = setup([unavailable(), unavailable(), unavailable()], { maxTries: 2 });
    const sent = failure(client.ingest({ payload: "p" }));
    await vi.advanceTimersByTimeAsync(1000);
    expect(await sent).toMatchObject({ code: Code.Unavailable });
    expect(requests).toHaveLength(2);
  });

  test("an abort ends the wait for the next try", async () => {
    const { client, requests } = setup([later(7n)]);
    const abort = new AbortController();
    const sent = failure(client.ingest({ payload: "p" }, { signal: abort.signal }));
    await vi.advanceTimersByTimeAsync(1000);
    abort.abort("enough");
    expect(await sent).toMatchObject({
      code: Code.Canceled,
      cause: "enough",
    });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(requests).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("an aborted signal sends nothing", async () => {
    const { client, requests } = setup([]);
    const sent = client.ingest({ payload: "p" }, { signal: AbortSignal.abort() });
    await expect(sent).rejects.toMatchObject({ code: Code.Canceled });
    expect(requests).toEqual([]);
  });

  test("the timeout ends a call without an answer", async () => {
    const transport = createRouterTransport(({ service }) =>
      service(EventService, { ingestEvent: () => new Promise(() => undefined) }),
    );
    const sent = failure(createEventClient({ transport, timeoutMs: 3000 }).ingest({ payload: "p" }));
    await vi.advanceTimersByTimeAsync(3000);
    expect(await sent).toMatchObject({ code: Code.DeadlineExceeded });
  });

  test("what is not Unicode is refused instead of changed", async () => {
    const { client, requests } = setup([]);
    await expect(client.ingest({ payload: "a\ud800" })).rejects.toThrow(
      "[invalid_argument] payload must be well-formed Unicode, got a lone surrogate",
    );
    await expect(client.ingest({ payload: "", eventId: "\udc00" })).rejects.toThrow("event_id must be");
    expect(requests).toEqual([]);
  });
});

type Status = MessageInitShape<typeof EventService.method.getStatus.output>;

/** A service whose job goes through the given statuses, the last one for ever. */
function job(...script: (Status | ConnectError)[]): { client: EventClient; asked: number[] } {
  const asked: number[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(EventService, {
      getStatus(request) {
        asked.push(performance.now());
        const answer = script.length > 1 ? script.shift() : script[0];
        if (answer instanceof Error) throw answer;
        return { jobId: request.jobId, ...answer };
      },
    }),
  );
  return { client: createEventClient({ transport }), asked };
}

describe("waitUntilDone", () => {
  test.each(["done", "failed", "cancelled", "not found"])("ends on %s", async (status) => {
    const { client } = job({ status: "processing" }, { status: "processing" }, { status });
    const done = client.waitUntilDone(jobId);
    await vi.advanceTimersByTimeAsync(150);
    await expect(done).resolves.toMatchObject({ jobId, status });
  });

  test("asks less and less often", async () => {
    const { client, asked } = job({ status: "processing" });
    const start = performance.now();
    const abort = new AbortController();
    const done = client.waitUntilDone(jobId, { pollMs: 10, signal: abort.signal }).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(1300);
    expect(asked.map((at) => Math.round(at - start))).toEqual([0, 10, 30, 70, 150, 310, 630, 950, 1270]);
    abort.abort();
    await done;
  });

  test("ends at its timeout", async () => {
    const { client } = job({ status: "processing" });
    const done = failure(client.waitUntilDone(jobId, { timeoutMs: 1000 }));
    await vi.advanceTimersByTimeAsync(1000);
    expect(await done).toHaveProperty(
      "message",
      `[deadline_exceeded] job ${jobId} is still processing after 1000 ms`,
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  test("asks a last time when its timeout is over, and not before", async () => {
    // By itself it would ask after 0, 100, 300 and 700 ms, then after 1,500.
    const processing = Array.from({ length: 4 }, () => ({ status: "processing" }));
    const { client, asked } = job(...processing, { status: "done" });
    const start = performance.now();
    const done = client.waitUntilDone(jobId, { timeoutMs: 1000, pollMs: 100 });
    await vi.advanceTimersByTimeAsync(1000);
    await expect(done).resolves.toMatchObject({ status: "done" });
    expect(asked.map((at) => Math.round(at - start))).toEqual([0, 100, 300, 700, 1000]);
  });

  test("has time for its last question, however little there was for all", async () => {
    const transport = createRouterTransport(({ service }) =>
      service(EventService, {
        async getStatus() {
          await new Promise((resolve) => setTimeout(resolve, 500));
          return { jobId, status: "done" };
        },
      }),
    );
    const done = createEventClient({ transport }).waitUntilDone(jobId, { timeoutMs: 1 });
    await vi.advanceTimersByTimeAsync(500);
    await expect(done).resolves.toMatchObject({ status: "done" });
  });

  test("outlives an outage", async () => {
    const { client } = job(unavailable(), unavailable(), { status: "done" });
    const done = client.waitUntilDone(jobId);
    await vi.advanceTimersByTimeAsync(1000);
    await expect(done).resolves.toMatchObject({ status: "done" });
  });

  test("an abort ends the pause", async () => {
    const { client, asked } = job({ status: "processing" });
    const abort = new AbortController();
    const done = failure(client.waitUntilDone(jobId, { pollMs: 5000, signal: abort.signal }));
    await vi.advanceTimersByTimeAsync(100);
    abort.abort();
    expect(await done).toMatchObject({ code: Code.Canceled });
    expect(asked).toHaveLength(1);
  });
});
