import { Code, ConnectError, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { type EventRequest, EventService, type IngestBatchRequest, Outcome } from "@event-ingestion/api";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createEventClient, type EventClient } from "./client.ts";
import type { IngestedItem } from "./ingest-many.ts";
import type { NewEvent } from "./new-event.ts";

interface Batch {
  events: EventRequest[];
  via: "IngestBatch" | "IngestStream";
  signal: AbortSignal;
  answer(): void;
  fail(error: ConnectError): void;
}

/** A service that keeps each batch until the test answers it. An error that stands is the answer to the batch for ever. */
function setup({ streaming }: { streaming: boolean }) {
  const batches: Batch[] = [];
  const standing = new Map<string | undefined, ConnectError>();
  let arrived = Promise.withResolvers<void>();
  const ingest = async (
    { events }: IngestBatchRequest,
    { signal, method }: Pick<HandlerContext, "signal" | "method">,
  ) => {
    const [key] = events.map(({ eventId }) => eventId);
    const error = standing.get(key);
    if (error !== undefined) throw error;
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      const fail = (reason: ConnectError) => {
        if (reason.code !== Code.Unavailable) standing.set(key, reason);
        reject(reason);
      };
      const via = method.name === "IngestBatch" ? method.name : "IngestStream";
      batches.push({ events, via, signal, answer: resolve, fail });
      arrived.resolve();
    });
    return { results: events.map(({ payload }) => result(payload)) };
  };
  const transport = createRouterTransport(({ service }) =>
    service(EventService, {
      ingestBatch: ingest,
      ingestStream: (requests, context) =>
        inOrder(requests, (request) =>
          request.events.length === 0 ? Promise.resolve({ results: [] }) : ingest(request, context),
        ),
    }),
  );
  /** Waits until so many batches have come. */
  const come = async (count: number) => {
    while (batches.length < count) {
      await arrived.promise;
      arrived = Promise.withResolvers();
    }
  };
  const answer = async (count: number) => {
    await come(count);
    for (const batch of batches.slice(0, count)) batch.answer();
  };
  const client = createEventClient({ transport, streaming, retryBaseMs: 1, retryMaxMs: 1 });
  onTestFinished(() => {
    const first = streaming ? "IngestStream" : "IngestBatch";
    expect(batches.slice(0, 1).map(({ via }) => via)).toEqual(batches.slice(0, 1).map(() => first));
  });
  return { client, batches, come, answer };
}

/** The answers in the order of the requests, of which all are under way at once. */
async function* inOrder<T, R>(requests: AsyncIterable<T>, answer: (request: T) => Promise<R>) {
  const answers = new ReadableStream<{ promise: Promise<R> }>({
    async start(controller) {
      for await (const request of requests) {
        const promise = answer(request);
        promise.catch(() => undefined);
        controller.enqueue({ promise });
      }
      controller.close();
    },
  });
  for await (const { promise } of answers) yield await promise;
}

function result(payload: string) {
  return payload === "bad"
    ? { accepted: false, message: "bad", outcome: Outcome.INVALID }
    : { accepted: true, jobId: `job of ${payload}`, outcome: Outcome.ACCEPTED };
}

const numbered = (count: number, offset = 0): NewEvent[] =>
  Array.from({ length: count }, (_, n) => ({ payload: String(n + offset) }));
const jobIds = (items: IngestedItem<NewEvent>[]) => items.map(({ response }) => response.jobId);

/** Lets everything run that waits for nothing but promises and I/O. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

afterEach(() => void vi.useRealTimers());

describe.each([{ streaming: true }, { streaming: false }])("ingestMany, streaming $streaming", (way) => {
  test("nothing in, nothing out", async () => {
    const { client, batches } = setup(way);
    await expect(toArray(client.ingestMany([]))).resolves.toEqual([]);
    expect(batches).toEqual([]);
  });

  test("results come in input order, whichever batch is answered first", async () => {
    const { client, batches, come } = setup(way);
    const events = numbered(5);
    const all = toArray(client.ingestMany(events, { batchSize: 2 }));
    await come(3);
    for (const batch of batches.toReversed()) batch.answer();
    const items = await all;
    expect(batches.map((batch) => batch.events.length)).toEqual([2, 2, 1]);
    expect(items.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    expect(items.map(({ event }) => event)).toEqual(events);
    expect(items[3]?.event).toBe(events[3]);
    expect(jobIds(items)).toEqual(["job of 0", "job of 1", "job of 2", "job of 3", "job of 4"]);
    expect(items.map(({ eventId }) => eventId)).toEqual(
      batches.flatMap((batch) => batch.events.map(({ eventId }) => eventId)),
    );
    expect(new Set(items.map(({ eventId }) => eventId)).size).toBe(5);
  });

  test("a refused event is a result, one that cannot be sent too", async () => {
    const { client, batches, answer } = setup(way);
    const payloads = ["good", "bad", "lone \ud800", "x".repeat(5 * 1024 * 1024), "last"];
    const all = toArray(client.ingestMany(payloads.map((payload) => ({ payload }))));
    await answer(1);
    const items = await all;
    expect(items.map(({ response }) => response.outcome)).toEqual([
      Outcome.ACCEPTED,
      Outcome.INVALID,
      Outcome.INVALID,
      Outcome.INVALID,
      Outcome.ACCEPTED,
    ]);
    expect(items[2]?.response.message).toBe("payload must be well-formed Unicode, got a lone surrogate");
    expect(items[3]?.response.message).toMatch(/^event must be at most 4193280 bytes, got 5243\d\d\d$/);
    expect(batches[0]?.events.map(({ payload }) => payload)).toEqual(["good", "bad", "last"]);
  });

  test("nothing is sent when no event can be", async () => {
    const { client, batches } = setup(way);
    const items = await toArray(client.ingestMany([{ payload: "\ud800" }]));
    expect(items).toMatchObject([{ index: 0, response: { outcome: Outcome.INVALID } }]);
    expect(batches).toEqual([]);
  });

  test("a batch ends before it is too long for one message", async () => {
    const { client, batches, come } = setup(way);
    const all = toArray(
      client.ingestMany(Array.from({ length: 5 }, () => ({ payload: "x".repeat(900_000) }))),
    );
    await come(3);
    for (const batch of batches) batch.answer();
    await expect(all).resolves.toHaveLength(5);
    expect(batches.map((batch) => batch.events.length)).toEqual([2, 2, 1]);
  });

  test("does not hold the first events of a slow source back", async () => {
    const { client, batches, answer } = setup(way);
    const more = Promise.withResolvers<void>();
    async function* slowly() {
      yield* numbered(2);
      await more.promise;
      yield* numbered(1, 2);
    }
    const items = client.ingestMany(slowly())[Symbol.asyncIterator]();
    const first = items.next();
    await answer(1);
    await expect(first).resolves.toMatchObject({ value: { index: 0 } });
    await expect(items.next()).resolves.toMatchObject({ value: { index: 1 } });
    const third = items.next();
    more.resolve();
    await answer(2);
    await expect(third).resolves.toMatchObject({ value: { index: 2 } });
    await expect(items.next()).resolves.toMatchObject({ done: true });
    expect(batches.map((batch) => batch.events.length)).toEqual([2, 1]);
  });

  test("keeps to its concurrency and reads no further", async () => {
    const { client, batches, come } = setup(way);
    let read = 0;
    function* endless() {
      while (true) {
        read++;
        yield { payload: "p" };
      }
    }
    const items = client.ingestMany(endless(), { batchSize: 10, concurrency: 3 })[Symbol.asyncIterator]();
    const first = items.next();
    await come(3);
    await settle();
    expect(batches).toHaveLength(3);
    expect(read).toBe(30);
    batches[0]?.answer();
    await first;
    await settle();
    expect(read).toBe(30);
    await items.return?.();
  });

  test("ending the loop aborts what is under way and closes the source", async () => {
    const { client, batches, come } = setup(way);
    let closed = false;
    async function* endless() {
      try {
        while (true) yield { payload: "p" };
      } finally {
        closed = true;
      }
    }
    const loop = (async () => {
      for await (const item of client.ingestMany(endless(), { batchSize: 2, concurrency: 2 })) return item;
    })();
    await come(2);
    batches[0]?.answer();
    await expect(loop).resolves.toMatchObject({ index: 0 });
    expect(closed).toBe(true);
    await vi.waitFor(() => expect(batches[1]?.signal.aborted).toBe(true));
    const sent = batches.length;
    await settle();
    expect(batches).toHaveLength(sent);
  });

  test("ending the loop does not wait for a source that gives nothing", async () => {
    const { client, answer } = setup(way);
    const loop = (async () => {
      for await (const item of client.ingestMany(stuck())) return item;
    })();
    await answer(1);
    await expect(loop).resolves.toMatchObject({ index: 0 });
  });

  test("an abort ends it while the source gives nothing", async () => {
    const { client } = setup(way);
    const abort = new AbortController();
    const all = toArray(client.ingestMany(silent(), { signal: abort.signal }));
    abort.abort(new Error("enough"));
    await expect(all).rejects.toMatchObject({ code: Code.Canceled, rawMessage: "enough" });
  });

  test("an abort ends it while a batch is under way", async () => {
    const { client, come } = setup(way);
    const abort = new AbortController();
    const all = toArray(client.ingestMany(numbered(3), { signal: abort.signal }));
    await come(1);
    abort.abort();
    await expect(all).rejects.toMatchObject({ code: Code.Canceled });
  });

  test("a batch that is refused for now is sent again as it was", async () => {
    const { client, batches, come } = setup(way);
    const all = toArray(client.ingestMany(numbered(3)));
    await come(1);
    batches[0]?.fail(new ConnectError("full", Code.Unavailable));
    await come(2);
    batches[1]?.answer();
    await expect(all).resolves.toHaveLength(3);
    expect(batches[1]?.events).toEqual(batches[0]?.events);
  });

  test("an error that stands comes after the results before it", async () => {
    const { client, batches, come } = setup(way);
    const { items, error } = collect(client, numbered(6));
    await come(3);
    batches[2]?.answer();
    batches[1]?.fail(new ConnectError("who are you", Code.Unauthenticated));
    await settle();
    expect(items).toEqual([]);
    batches[0]?.answer();
    await expect(error).resolves.toMatchObject({ code: Code.Unauthenticated });
    expect(jobIds(items)).toEqual(["job of 0", "job of 1"]);
  });

  test("a source that fails costs no result of what it gave", async () => {
    const { client, batches, come } = setup(way);
    const { items, error } = collect(client, failing());
    await come(2);
    for (const batch of batches) batch.answer();
    await expect(error).resolves.toMatchObject({ message: "disk is gone" });
    expect(jobIds(items)).toEqual(["job of 0", "job of 1", "job of 2"]);
  });

  test("a server that leaves results out is not believed", async () => {
    const transport = createRouterTransport(({ service }) =>
      service(EventService, { ingestBatch: () => ({ results: [] }) }),
    );
    const all = toArray(createEventClient({ transport }).ingestMany(numbered(2)));
    await expect(all).rejects.toThrow("the server answered 2 events with 0 results");
  });
});

async function toArray<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Reads results in twos until an error comes. */
function collect(client: EventClient, events: Iterable<NewEvent>) {
  const items: IngestedItem<NewEvent>[] = [];
  const read = async () => {
    for await (const item of client.ingestMany(events, { batchSize: 2 })) items.push(item);
  };
  return {
    items,
    error: read().then(
      () => undefined,
      (error: unknown) => error,
    ),
  };
}

/** A source that never gives anything. */
async function* silent() {
  await new Promise(() => undefined);
  yield { payload: "never" };
}

function* failing() {
  yield* numbered(3);
  throw new Error("disk is gone");
}

/** A source that gives one event and nothing more. */
async function* stuck() {
  yield { payload: "p" };
  yield* silent();
}
