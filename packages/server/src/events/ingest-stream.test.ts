import { create } from "@bufbuild/protobuf";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import {
  EventService,
  type IngestBatchRequest,
  IngestBatchRequestSchema,
  type IngestBatchResponse,
  IngestBatchResponseSchema,
  Outcome,
} from "@event-ingestion/api";
import { BadRequestSchema, RetryInfoSchema } from "@event-ingestion/api/error-details";
import { type JobStore, StoreError } from "@event-ingestion/store";
import { describe, expect, test, vi } from "vitest";
import { ingestStream } from "./ingest-stream.ts";
import { gate, refusal, startServer } from "../testing/start-server.ts";

type Batch = { events: { eventId?: string; payload?: string }[] };

/** A batch of new events; the number makes their ids. */
const batch = (number: number, size = 2, payload = "p"): Batch => ({
  events: Array.from({ length: size }, (_, index) => ({ eventId: `${number}-${index}`, payload })),
});

/** A stream whose producer is the test. */
function openStream(client: Client<typeof EventService>, signal?: AbortSignal) {
  const queue: Batch[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  let taken = 0;
  async function* batches() {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) {
        taken++;
        yield next;
      } else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const stop = new AbortController();
  const call = client.ingestStream(batches(), {
    signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
  });
  const answers = call[Symbol.asyncIterator]();
  let answered = 0;
  const step = async () => {
    const got = await answers.next();
    if (got.done === true || ++answered <= taken) return got;
    stop.abort();
    throw new Error(`${answered} answers to ${taken} batches`);
  };
  return {
    /** How many batches the transport took. */
    taken: () => taken,
    send(...more: Batch[]) {
      queue.push(...more);
      wake?.();
    },
    end() {
      ended = true;
      wake?.();
    },
    /** The next answer. */
    async next(): Promise<IngestBatchResponse> {
      const { done, value } = await step();
      if (done === true) throw new Error("the stream ended");
      return value;
    },
    /** All answers that come, and what the stream ended with. */
    async rest(): Promise<{ answers: IngestBatchResponse[]; error: unknown }> {
      const got: IngestBatchResponse[] = [];
      try {
        for (let next = await step(); next.done !== true; next = await step()) got.push(next.value);
      } catch (error) {
        return { answers: got, error };
      }
      return { answers: got, error: undefined };
    },
  };
}

const outcomes = ({ results }: IngestBatchResponse) => results.map(({ outcome }) => outcome);
const jobIds = (answers: IngestBatchResponse[]) =>
  answers.flatMap(({ results }) => results.map(({ jobId }) => jobId));

/** The ids that the store has for the events of these batches. */
const stored = (store: JobStore, batches: readonly Batch[]) =>
  store.find(
    "",
    batches.flatMap(({ events }) => events.map(({ eventId = "" }) => eventId)),
  );

/**
 * The first job ids that are stored and not told in their places. Only these are compared, because to show how 100,000 in
 * another order differ takes hours, in which no timeout fires.
 */
async function misplaced(store: JobStore, answers: IngestBatchResponse[], batches: readonly Batch[]) {
  const told = jobIds(answers);
  const ids = await stored(store, batches);
  expect(told.length).toBe(ids.length);
  return ids.filter((id, index) => id === null || id !== told[index]).slice(0, 3);
}

const transports: { name: string; connect: (baseUrl: string) => Transport }[] = [
  { name: "gRPC", connect: (baseUrl) => createGrpcTransport({ baseUrl }) },
  { name: "Connect", connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }) },
];

describe.each(transports)("over $name", ({ connect }) => {
  const open = async (...args: Parameters<typeof startServer>) => {
    const running = await startServer(...args);
    const client = createClient(EventService, connect(running.url));
    return { ...running, client, open: (signal?: AbortSignal) => openStream(client, signal) };
  };

  test("each batch is answered by itself, in order, while the stream is open", async () => {
    const stream = (await open()).open();
    stream.send(batch(1));
    const [first] = (await stream.next()).results;
    expect(first).toMatchObject({ accepted: true, outcome: Outcome.ACCEPTED });
    stream.send(
      { events: [] },
      {
        events: [
          { eventId: "1-0", payload: "p" },
          { eventId: "1-0", payload: "other" },
          { payload: "no id" },
          { eventId: "x".repeat(129) },
          { eventId: "new" },
        ],
      },
    );
    stream.end();
    const { answers, error } = await stream.rest();
    expect(error).toBeUndefined();
    expect(answers.map(outcomes)).toEqual([
      [],
      [Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.INVALID, Outcome.INVALID, Outcome.ACCEPTED],
    ]);
    expect(answers[1]?.results[0]?.jobId).toBe(first?.jobId);
  });

  test("what is acknowledged is stored: 100,000 events", async () => {
    const { open: start, store } = await open();
    const stream = start();
    const batches = Array.from({ length: 100 }, (_, number) => batch(number, 1000));
    stream.send(...batches);
    stream.end();
    const { answers, error } = await stream.rest();
    expect(error).toBeUndefined();
    expect(answers).toHaveLength(100);
    expect(await misplaced(store, answers, batches)).toEqual([]);
    expect((await store.counts()).byState.QUEUED).toBe(100_000);
  }, 60_000);

  test("more streams than there is room for are made to wait, not refused", async () => {
    const { open: start, store } = await open(undefined, { maxPendingEvents: 1000 });
    const streams = Array.from({ length: 20 }, (_, number) => {
      const stream = start();
      stream.send(...Array.from({ length: 4 }, (_each, n) => batch(4 * number + n, 500)));
      stream.end();
      return stream.rest();
    });
    const ended = await Promise.all(streams);
    expect(ended.map(({ answers, error }) => ({ answers: answers.length, error }))).toEqual(
      streams.map(() => ({ answers: 4, error: undefined })),
    );
    expect((await store.counts()).byState.QUEUED).toBe(20 * 4 * 500);
  }, 60_000);

  test("a batch over its limit ends the stream after the answers before it", async () => {
    const { open: start, store } = await open();
    const stream = start();
    stream.send(batch(1), batch(2), batch(3, 1001), batch(4));
    const { answers, error } = await stream.rest();
    const refused = await refusal(Promise.reject(error));
    expect(refused).toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: "events must be at most 1000, got 1001",
    });
    expect(refused.findDetails(BadRequestSchema)).toHaveLength(1);
    expect(await misplaced(store, answers, [batch(1), batch(2)])).toEqual([]);
    expect(await store.find("", ["3-0"])).toEqual([null]);
  });

  test("a message over the size limit too", async () => {
    const { open: start, store } = await open();
    const stream = start();
    stream.send(batch(1), batch(2, 5, "x".repeat(1024 * 1024)));
    const { answers, error } = await stream.rest();
    expect((await refusal(Promise.reject(error))).code).toBe(Code.ResourceExhausted);
    expect(await misplaced(store, answers, [batch(1)])).toEqual([]);
    expect((await store.counts()).byState.QUEUED).toBe(2);
  });

  test("a store that fails in the middle: UNAVAILABLE with a delay after the answers before; the rest again", async () => {
    let appends = 0;
    const { open: start, store } = await open((real) => ({
      append: (events) =>
        ++appends === 3
          ? Promise.reject(new StoreError("unknown", "unavailable", "the disk went away"))
          : real.append(events),
    }));
    const batches = Array.from({ length: 20 }, (_, number) => batch(number, 1000));
    const ledger: IngestBatchResponse[] = [];
    const first = start();
    first.send(...batches);
    const { answers, error } = await first.rest();
    const refused = await refusal(Promise.reject(error));
    expect(refused.code).toBe(Code.Unavailable);
    expect(refused.findDetails(RetryInfoSchema)).toHaveLength(1);
    expect(answers).toHaveLength(2);
    ledger.push(...answers);

    const second = start();
    second.send(...batches.slice(ledger.length));
    second.end();
    ledger.push(...(await second.rest()).answers);
    expect(await misplaced(store, ledger, batches)).toEqual([]);
    expect((await store.counts()).byState.QUEUED).toBe(20_000);
  });

  test("a cancel takes back what is in no commit, and nothing that is", async () => {
    const reached = gate();
    const busy = gate();
    const {
      open: start,
      store,
      client,
      events,
    } = await open((real) => ({
      append: async (given) => {
        reached.open();
        await busy.opened;
        return real.append(given);
      },
    }));
    const aborter = new AbortController();
    const stream = start(aborter.signal);
    stream.send(batch(1));
    const first = refusal(stream.next());
    await reached.opened;
    stream.send(batch(2));
    await vi.waitFor(() => expect(stream.taken()).toBe(2));
    // Comes after the batch on the same connection, and goes to the store and back.
    await client.getStatus({ jobId: "x" });
    aborter.abort();
    expect((await first).code).toBe(Code.Canceled);
    await vi.waitFor(() => expect(events).toContainEqual({ kind: "rejected", reason: "aborted", count: 2 }));
    busy.open();
    await vi.waitFor(async () => expect(await stored(store, [batch(1)])).not.toContain(null), 10_000);
    expect(await stored(store, [batch(2)])).toEqual([null, null]);
    const again = await client.ingestBatch(batch(1));
    expect(outcomes(again)).toEqual([Outcome.DUPLICATE, Outcome.DUPLICATE]);
  });

  test("a producer that does not read its answers has to stop, and goes on once it reads", async () => {
    const { open: start, store } = await open();
    const stream = start();
    // The answers are larger than the batches and fill all buffers on the way back.
    const batches = Array.from({ length: 150 }, (_, number) => batch(number, 1000, ""));
    stream.send(...batches);
    stream.end();
    let before = -1;
    await vi.waitFor(
      () => {
        const taken = stream.taken();
        const stopped = taken > 0 && taken === before;
        before = taken;
        expect(stopped).toBe(true);
      },
      { timeout: 15_000, interval: 500 },
    );
    expect(before).toBeLessThan(100);
    expect((await store.counts()).byState.QUEUED).toBeLessThan(100_000);
    const { answers, error } = await stream.rest();
    expect(error).toBeUndefined();
    expect(await misplaced(store, answers, batches)).toEqual([]);
  }, 60_000);

  test("a shutdown in the middle: what was read is answered, then UNAVAILABLE with a delay", async () => {
    const { open: start, store, server, events } = await open(undefined, { graceMs: 10_000 });
    const stream = start();
    const batches = Array.from({ length: 2000 }, (_, number) => batch(number, 10));
    stream.send(...batches);
    const ledger = [await stream.next()];
    const closing = server.close();
    const { answers, error } = await stream.rest();
    ledger.push(...answers);
    const refused = await refusal(Promise.reject(error));
    expect(refused).toMatchObject({
      code: Code.Unavailable,
      rawMessage: expect.stringContaining("shutting down"),
    });
    expect(refused.findDetails(RetryInfoSchema)).toHaveLength(1);
    expect(ledger.length).toBeLessThan(2000);
    await closing;
    expect(events.at(-1)).toEqual({ kind: "drained", forced: false });
    expect(await misplaced(store, ledger, batches.slice(0, ledger.length))).toEqual([]);
    expect((await store.counts()).byState.QUEUED).toBe(10 * ledger.length);
  });

  test("an idle stream does not hold a shutdown up", async () => {
    const { open: start, server } = await open(undefined, { graceMs: 60_000, hardLimitMs: 120_000 });
    const stream = start();
    stream.send(batch(1));
    await stream.next();
    const ended = refusal(stream.next());
    await server.close();
    expect((await ended).code).toBe(Code.Unavailable);
  });
});

/** Reads of a stream that the test feeds, and whose batches it stores. */
function direct({ idleMs = 60_000, turn = (): Promise<void> | undefined => undefined } = {}) {
  const draining = new AbortController();
  const call = new AbortController();
  const source = new TransformStream<IngestBatchRequest, IngestBatchRequest>(undefined, undefined, {
    highWaterMark: 0,
  });
  const writer = source.writable.getWriter();
  const begun: (() => void)[] = [];
  const answers = ingestStream(source.readable, {
    ingestBatch: ({ events }) =>
      new Promise((resolve) =>
        begun.push(() =>
          resolve(
            create(IngestBatchResponseSchema, { results: events.map(({ eventId }) => ({ jobId: eventId })) }),
          ),
        ),
      ),
    turn,
    signal: call.signal,
    draining: draining.signal,
    idleMs,
  });
  /** Resolves when the batch was read. */
  const send = (size: number, payload = "") =>
    writer.write(create(IngestBatchRequestSchema, batch(1, size, payload)));
  return { answers, begun, call, draining, send, writer };
}

/** All answers, if they end: without a bound, answers without end would keep even the test's timeout from firing. */
async function toArray<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) {
    items.push(item);
    if (items.length > 100) throw new Error("the answers do not end");
  }
  return items;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("one stream", () => {
  test.each([
    { what: "2,000 events", size: 500, payload: "", batches: 4 },
    { what: "64 batches", size: 1, payload: "", batches: 64 },
    { what: "4 MiB", size: 1, payload: "x".repeat(1024 * 1024), batches: 4 },
  ])("has at most $what in the works, then reads no more", async ({ size, payload, batches }) => {
    const { answers, begun, call, send } = direct();
    const first = answers.next();
    let read = 0;
    for (let number = 0; number < 100; number++) {
      void send(size, payload).then(
        () => read++,
        () => undefined,
      );
    }
    await vi.waitFor(() => expect(begun).toHaveLength(batches));
    await pause(50);
    expect(begun).toHaveLength(batches);
    expect(read).toBe(batches);
    begun[0]?.();
    await first;
    const second = answers.next();
    await vi.waitFor(() => expect(begun).toHaveLength(batches + 1));
    call.abort();
    for (const answer of begun) answer();
    await second;
    await answers.return();
  });

  test("reads each batch when it is its turn, and answers meanwhile", async () => {
    const turns: (() => void)[] = [];
    const { answers, begun, send, writer } = direct({
      turn: () => new Promise((resolve) => turns.push(resolve)),
    });
    const first = answers.next();
    const sent = [send(1), send(2)];
    await vi.waitFor(() => expect(turns).toHaveLength(1));
    await pause(20);
    expect(begun).toHaveLength(0);
    turns[0]?.();
    await sent[0];
    await vi.waitFor(() => expect(turns).toHaveLength(2));
    begun[0]?.();
    expect((await first).value?.results).toHaveLength(1);
    const second = answers.next();
    await pause(20);
    expect(begun).toHaveLength(1);
    turns[1]?.();
    await vi.waitFor(() => expect(begun).toHaveLength(2));
    begun[1]?.();
    expect((await second).value?.results).toHaveLength(2);
    const ended = answers.next();
    await vi.waitFor(() => expect(turns).toHaveLength(3));
    turns[2]?.();
    await writer.close();
    expect((await ended).done).toBe(true);
  });

  test("answers in order, whichever batch is stored first", async () => {
    const { answers, begun, send, writer } = direct();
    const got = toArray(answers);
    for (const size of [1, 2, 3]) void send(size);
    void writer.close();
    await vi.waitFor(() => expect(begun).toHaveLength(3));
    for (const answer of begun.toReversed()) answer();
    expect((await got).map(({ results }) => results.length)).toEqual([1, 2, 3]);
  });

  test("ends UNAVAILABLE when no batch comes while nothing is to be stored", async () => {
    const { answers, begun, send } = direct({ idleMs: 100 });
    const first = answers.next();
    await send(1);
    await pause(300);
    // While the store is slow the producer may wait for it.
    await send(2);
    begun[0]?.();
    expect((await first).value?.results).toHaveLength(1);
    const second = answers.next();
    begun[1]?.();
    expect((await second).value?.results).toHaveLength(2);
    const error = await refusal(answers.next());
    expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: expect.stringContaining("100 ms") });
    expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
  });

  test("time in which the answer is not taken is no idle time", async () => {
    const { answers, begun, send } = direct({ idleMs: 100 });
    const first = answers.next();
    await send(1);
    await vi.waitFor(() => expect(begun).toHaveLength(1));
    begun[0]?.();
    await first;
    await pause(300);
    const second = answers.next();
    await send(2);
    await vi.waitFor(() => expect(begun).toHaveLength(2));
    begun[1]?.();
    expect((await second).value?.results).toHaveLength(2);
    await answers.return();
  });

  test("ends at once if it begins while the server shuts down", async () => {
    const { answers, begun, draining, send } = direct();
    draining.abort();
    void send(1).catch(() => undefined);
    expect((await refusal(toArray(answers))).code).toBe(Code.Unavailable);
    expect(begun).toEqual([]);
  });

  test("a producer that breaks off gets the answers before", async () => {
    const { answers, begun, send, writer } = direct();
    const got = toArray(answers);
    await send(1);
    void writer.abort(new Error("broken"));
    await vi.waitFor(() => expect(begun).toHaveLength(1));
    begun[0]?.();
    await expect(got).rejects.toThrow("broken");
  });
});
