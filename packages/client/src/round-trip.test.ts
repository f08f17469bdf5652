import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { Interceptor } from "@connectrpc/connect";
import { createConnectTransport as createFetchTransport } from "@connectrpc/connect-web";
import { JobState, Outcome } from "@event-ingestion/api";
import { createServer } from "@event-ingestion/server";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { expect, onTestFinished, test } from "vitest";
import { createEventClient } from "./client.ts";
import type { NewEvent } from "./new-event.ts";

/** A real server on a free port over the real store. */
async function setup() {
  const store = await openSqliteStore("sqlite::memory:");
  const server = createServer({ store, port: 0, graceMs: 100 });
  const { url, port } = await server.listen();
  onTestFinished(async () => {
    await server.close();
    await store.close();
  });
  return { store, server, url, port };
}

interface Connection {
  baseUrl: string;
  interceptors?: Interceptor[];
}

const transports = {
  grpc: (to: Connection) => createGrpcTransport(to),
  "grpc-web": (to: Connection) => createGrpcWebTransport({ ...to, httpVersion: "1.1" }),
  connect: (to: Connection) => createConnectTransport({ ...to, httpVersion: "1.1" }),
  json: (to: Connection) => createConnectTransport({ ...to, httpVersion: "2", useBinaryFormat: false }),
  fetch: (to: Connection) => createFetchTransport(to),
};

test.each(Object.entries(transports))("an event goes all the way, over %s", async (_name, transport) => {
  const { store, url } = await setup();
  const client = createEventClient({ transport: transport({ baseUrl: url }) });
  const { eventId, response } = await client.ingest({ type: "order", payload: "é" });
  expect(response).toMatchObject({ accepted: true, outcome: Outcome.ACCEPTED });
  const again = await client.ingest({ type: "order", payload: "é", eventId });
  expect(again.response).toMatchObject({ outcome: Outcome.DUPLICATE, jobId: response.jobId });
  expect(await client.status(response.jobId)).toMatchObject({ status: "processing", eventId, type: "order" });

  const session = await store.openSession("test", 30_000);
  const [job] = await store.claim(session, 1);
  const waiting = client.waitUntilDone(response.jobId);
  await store.settle(session, [{ jobId: job?.jobId ?? "", attempt: 1, as: "succeeded" }]);
  expect(await waiting).toMatchObject({ status: "done", state: JobState.SUCCEEDED, attempts: 1 });
  expect(await client.waitUntilDone("unknown")).toMatchObject({ status: "not found" });
});

test("many events go all the way, in batches that the server takes", async () => {
  const { store, url } = await setup();
  const client = createEventClient({ transport: transports.json({ baseUrl: url }) });
  // As JSON in JSON every quote takes two bytes: the most that a batch can grow by without control characters.
  const payload = JSON.stringify('"'.repeat(100_000));
  const large = Array.from({ length: 30 }, (): NewEvent => ({ payload }));
  const small = Array.from({ length: 3000 }, (_, n): NewEvent => ({
    payload: `{"n":${n}}`,
    eventId: `e${n}`,
  }));
  const tooLarge: NewEvent = { payload: "x".repeat(1024 * 1024 + 1) };
  const results = [];
  for await (const { index, response } of client.ingestMany([...large, tooLarge, ...small])) {
    results.push({ index, ...response });
  }
  expect(results.map(({ index }) => index)).toEqual(results.map((_, at) => at));
  expect(results.filter(({ accepted }) => !accepted)).toMatchObject([
    { index: 30, outcome: Outcome.INVALID, message: "payload must be at most 1048576 bytes, got 1048577" },
  ]);
  expect((await store.counts()).byState.QUEUED).toBe(3030);
});

test.each([
  { name: "grpc", rpc: "IngestStream" },
  { name: "grpc-web", rpc: "IngestBatch" },
  { name: "connect", rpc: "IngestBatch" },
  { name: "json", rpc: "IngestStream" },
  { name: "fetch", rpc: "IngestBatch" },
] as const)("many events go by $rpc over $name", async ({ name, rpc }) => {
  const { store, url } = await setup();
  const rpcs: string[] = [];
  const note: Interceptor = (next) => (request) => {
    rpcs.push(request.method.name);
    return next(request);
  };
  const client = createEventClient({ transport: transports[name]({ baseUrl: url, interceptors: [note] }) });
  const events = Array.from({ length: 5000 }, (_, n): NewEvent => ({ payload: String(n), eventId: `e${n}` }));
  const jobs: string[] = [];
  for await (const { response } of client.ingestMany(events)) jobs.push(response.jobId);
  const eventIds = events.map(({ eventId = "" }) => eventId);
  expect(jobs).toEqual(await store.find("", eventIds));
  const [asked, ...sent] = rpcs;
  expect(asked).toBe("IngestStream");
  expect(sent).toEqual(rpc === "IngestStream" ? [rpc] : Array.from({ length: 5 }, () => rpc));
});

test.each(Object.entries(transports))(
  "a restart of the server costs no event, over %s",
  async (_name, transport) => {
    const { store, server, url, port } = await setup();
    let failed: (() => void) | undefined;
    const client = createEventClient({
      transport: transport({ baseUrl: url }),
      maxTries: 1000,
      retryMaxMs: 100,
      observe: () => failed?.(),
    });
    const closed = Promise.withResolvers<void>();
    const restart = async () => {
      await server.close();
      closed.resolve();
      await new Promise<void>((resolve) => (failed = resolve));
      const next = createServer({ store, port, graceMs: 100 });
      onTestFinished(() => next.close());
      await next.listen();
    };
    async function* events(): AsyncGenerator<NewEvent> {
      for (let n = 0; n < 300; n++) {
        if (n === 150) await closed.promise;
        yield { payload: String(n) };
      }
    }
    let restarted: Promise<void> | undefined;
    let accepted = 0;
    for await (const { response } of client.ingestMany(events(), { batchSize: 5, concurrency: 2 })) {
      if (response.accepted) accepted++;
      if (accepted === 50) restarted = restart();
    }
    await restarted;
    expect(accepted).toBe(300);
    expect((await store.counts()).byState.QUEUED).toBe(300);
  },
);
