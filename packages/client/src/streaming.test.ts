import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { EventService, type IngestBatchRequest, Outcome } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createEventClient } from "./client.ts";
import type { ClientEvent, EventClientOptions } from "./options.ts";

type Service = Required<ServiceImpl<typeof EventService>>;

const accept = ({ events }: IngestBatchRequest) => ({
  results: events.map(({ eventId }) => ({
    accepted: true,
    jobId: `job of ${eventId}`,
    outcome: Outcome.ACCEPTED,
  })),
});

/** A service that accepts everything; what is given replaces a part of it. `calls` are those that came, with the event ids. */
function setup(replaced: Partial<Service> = {}, options: Partial<EventClientOptions> = {}) {
  const calls: { rpc: string; ids: string[]; ended: boolean }[] = [];
  const observed: ClientEvent[] = [];
  const service: Partial<Service> = {
    ingestBatch: accept,
    async *ingestStream(requests) {
      for await (const request of requests) yield accept(request);
    },
    ...replaced,
  };
  const { ingestBatch = accept, ingestStream } = service;
  const transport = createRouterTransport((router) =>
    router.service(EventService, {
      ingestBatch(request, context) {
        calls.push({ rpc: "IngestBatch", ids: request.events.map(({ eventId }) => eventId), ended: true });
        return ingestBatch(request, context);
      },
      ...(ingestStream && {
        ingestStream(requests, context) {
          const call = { rpc: "IngestStream", ids: [] as string[], ended: false };
          calls.push(call);
          async function* noted() {
            for await (const request of requests) {
              call.ids.push(...request.events.map(({ eventId }) => eventId));
              yield request;
            }
            call.ended = true;
          }
          return ingestStream(noted(), context);
        },
      }),
    }),
  );
  const observe = (event: ClientEvent) => void observed.push(event);
  const client = createEventClient({ transport, retryBaseMs: 1, retryMaxMs: 1, observe, ...options });
  /** The job ids of the answers, and what ended them. */
  const ingest = async (
    count: number,
    more: { batchSize?: number; concurrency?: number; timeoutMs?: number } = {},
  ) => {
    const events = Array.from({ length: count }, (_, n) => ({ eventId: `e${n}`, payload: "p" }));
    const jobs: string[] = [];
    try {
      for await (const { response } of client.ingestMany(events, { batchSize: 1, ...more }))
        jobs.push(response.jobId);
    } catch (error) {
      return { jobs, error };
    }
    return { jobs, error: undefined };
  };
  const rpcs = () => calls.map(({ rpc, ids }) => (ids.length === 0 ? `${rpc} (empty)` : rpc));
  return { client, calls, rpcs, observed, ingest };
}

const jobs = (count: number) => Array.from({ length: count }, (_, n) => `job of e${n}`);
const unavailable = (nanos = 0) =>
  new ConnectError("full", Code.Unavailable, undefined, [
    { desc: RetryInfoSchema, value: { retryDelay: { nanos } } },
  ]);

afterEach(() => void vi.useRealTimers());

describe("the way that batches take", () => {
  test("one stream for all, ended in order, once an empty batch was answered on one", async () => {
    const { ingest, rpcs, calls } = setup();
    expect(await ingest(10)).toEqual({ jobs: jobs(10), error: undefined });
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestStream"]);
    await ingest(1);
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestStream", "IngestStream"]);
    await vi.waitFor(() => expect(calls.every(({ ended }) => ended)).toBe(true));
  });

  test("IngestBatch if streaming is off", async () => {
    const { ingest, rpcs } = setup({}, { streaming: false });
    expect((await ingest(2)).jobs).toEqual(jobs(2));
    expect(rpcs()).toEqual(["IngestBatch", "IngestBatch"]);
  });

  test("IngestBatch at a server without streams, which is asked once", async () => {
    const ingestStream = vi.fn<Service["ingestStream"]>(() => {
      throw new ConnectError("what is that", Code.Unimplemented);
    });
    const { ingest, rpcs, observed } = setup({ ingestStream });
    expect((await ingest(2)).jobs).toEqual(jobs(2));
    expect((await ingest(1)).jobs).toEqual(jobs(1));
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestBatch", "IngestBatch", "IngestBatch"]);
    expect(observed).toEqual([]);
  });

  test("IngestBatch behind a proxy that holds a request back until it is complete", async () => {
    vi.useFakeTimers();
    const { ingest, calls } = setup({
      async *ingestStream(requests) {
        const held = [];
        for await (const request of requests) held.push(request);
        yield* held.map(accept);
      },
    });
    const first = ingest(1);
    await vi.advanceTimersByTimeAsync(4999);
    expect(calls.map(({ rpc }) => rpc)).toEqual(["IngestStream"]);
    await vi.advanceTimersByTimeAsync(1);
    expect((await first).jobs).toEqual(jobs(1));
    expect((await ingest(1)).jobs).toEqual(jobs(1));
    expect(calls.map(({ rpc }) => rpc)).toEqual(["IngestStream", "IngestBatch", "IngestBatch"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("IngestBatch at a server that answers more than it is sent", async () => {
    const { ingest, rpcs } = setup({
      async *ingestStream() {
        yield { results: [] };
        yield { results: [] };
      },
    });
    expect((await ingest(1)).jobs).toEqual(jobs(1));
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestBatch"]);
  });

  test("is asked for again as long as the server cannot be asked", async () => {
    let down = true;
    const { ingest, rpcs } = setup({
      async *ingestStream(requests) {
        if (down) throw unavailable();
        for await (const request of requests) yield accept(request);
      },
      ingestBatch(request) {
        if (!down) return accept(request);
        down = false;
        throw unavailable();
      },
    });
    expect((await ingest(1)).jobs).toEqual(jobs(1));
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestBatch", "IngestStream (empty)", "IngestStream"]);
  });

  test("an abort does not wait for it to be known", async () => {
    const { client } = setup({ ingestStream: () => silence() });
    const aborter = new AbortController();
    const items = client.ingestMany([{ payload: "p" }], { signal: aborter.signal })[Symbol.asyncIterator]();
    const next = items.next();
    setTimeout(() => aborter.abort(), 50);
    const start = performance.now();
    await expect(next).rejects.toMatchObject({ code: Code.Canceled });
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

describe("a stream that ends", () => {
  test("UNAVAILABLE: what has no answer is sent again after the delay that the server asks for", async () => {
    let streams = 0;
    const { ingest, calls, observed } = setup({
      async *ingestStream(requests) {
        const failing = ++streams === 2;
        let answered = 0;
        for await (const request of requests) {
          if (failing && answered === 2) throw unavailable(50_000_000);
          answered++;
          yield accept(request);
        }
      },
    });
    expect(await ingest(5, { concurrency: 3 })).toEqual({ jobs: jobs(5), error: undefined });
    const [, first, second] = calls;
    expect(first?.ids.slice(0, 3)).toEqual(["e0", "e1", "e2"]);
    expect(second?.ids.toSorted()).toEqual(["e2", "e3", "e4"]);
    expect(calls).toHaveLength(3);
    expect(observed.map(({ waitMs }) => waitMs)).toEqual(observed.map(() => 50));
    expect(observed.length).toBeGreaterThan(0);
  });

  test("without an error before all answers came: the same", async () => {
    let streams = 0;
    const { ingest, rpcs, observed } = setup({
      async *ingestStream(requests) {
        const failing = ++streams === 2;
        for await (const request of requests) {
          yield accept(request);
          if (failing) return;
        }
      },
    });
    expect((await ingest(3, { concurrency: 1 })).jobs).toEqual(jobs(3));
    expect(rpcs()).toEqual(["IngestStream (empty)", "IngestStream", "IngestStream"]);
    expect(observed.every(({ error }) => error.code === Code.Unavailable)).toBe(true);
  });

  test("for good, with an error that would stand: each batch is asked for by itself", async () => {
    let streams = 0;
    const { ingest, rpcs } = setup({
      async *ingestStream(requests) {
        const failing = ++streams === 2;
        for await (const request of requests) {
          if (failing) throw new ConnectError("a bug", Code.Internal);
          yield accept(request);
        }
      },
      ingestBatch(request) {
        if (request.events.some(({ eventId }) => eventId === "e2"))
          throw new ConnectError("e2", Code.DataLoss);
        return accept(request);
      },
    });
    const { jobs: got, error } = await ingest(4, { concurrency: 4 });
    expect(got).toEqual(jobs(2));
    expect(error).toMatchObject({ code: Code.DataLoss, rawMessage: "e2" });
    expect(rpcs().filter((rpc) => rpc === "IngestBatch")).toHaveLength(4);
  });

  test("while nothing is under way: nobody is told, the next batch opens another", async () => {
    let end: (() => void) | undefined;
    const { client, calls, observed } = setup({
      async *ingestStream(requests) {
        const source = requests[Symbol.asyncIterator]();
        const ended = new Promise<"ended">((resolve) => (end = () => resolve("ended")));
        for (;;) {
          const got = await Promise.race([source.next(), ended]);
          if (got === "ended") throw unavailable();
          if (got.done === true) return;
          yield accept(got.value);
        }
      },
    });
    async function* slowly() {
      yield { eventId: "e0", payload: "p" };
      await vi.waitFor(() => expect(calls).toHaveLength(2));
      await new Promise((resolve) => setTimeout(resolve, 50));
      end?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
      yield { eventId: "e1", payload: "p" };
    }
    const got: string[] = [];
    for await (const { response } of client.ingestMany(slowly())) got.push(response.jobId);
    expect(got).toEqual(jobs(2));
    expect(calls.map(({ ids }) => ids)).toEqual([[], ["e0"], ["e1"]]);
    expect(observed).toEqual([]);
  });
});

test("a batch without an answer in time ends it as a call would", async () => {
  const { ingest } = setup({
    async *ingestStream(requests) {
      for await (const request of requests) {
        if (request.events.length === 0) yield { results: [] };
      }
    },
  });
  expect(await ingest(1, { timeoutMs: 1000 })).toMatchObject({
    jobs: [],
    error: { code: Code.DeadlineExceeded },
  });
});

test("ending the loop early cuts the stream", async () => {
  const { promise: cut, resolve } = Promise.withResolvers<void>();
  const { client, calls } = setup({
    async *ingestStream(requests, { signal }) {
      for await (const request of requests) {
        yield accept(request);
        if (request.events.length === 0) continue;
        await new Promise<void>((ended) => signal.addEventListener("abort", () => ended()));
        resolve();
      }
    },
  });
  const events = Array.from({ length: 10 }, () => ({ payload: "p" }));
  for await (const item of client.ingestMany(events, { batchSize: 1 })) {
    expect(item.index).toBe(0);
    break;
  }
  await cut;
  expect(calls).toHaveLength(2);
});

/** A stream that gives nothing and does not end. */
function silence(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) };
}
