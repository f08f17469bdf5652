import { type Client, Code, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  type EventService,
  EventService as service,
  JobState,
  type StatusResponse,
} from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { createHints, type JobStore, StoreError } from "@event-ingestion/store";
import { describe, expect, test, vi } from "vitest";
import { gate, refusal, startServer } from "../testing/start-server.ts";

type EventClient = Client<typeof EventService>;

async function accept(client: EventClient, eventId = "watched"): Promise<string> {
  return (await client.ingestEvent({ eventId, payload: "p" })).jobId;
}

/** All messages of a watch that ends. */
async function all(watch: AsyncIterable<StatusResponse>): Promise<StatusResponse[]> {
  const messages: StatusResponse[] = [];
  for await (const message of watch) messages.push(message);
  return messages;
}

/** Runs the oldest job to its end. */
async function succeed(store: JobStore): Promise<void> {
  const session = await store.openSession("worker", 30_000);
  const [leased] = await store.claim(session, 1);
  if (leased === undefined) throw new Error("nothing to claim");
  await store.settle(session, [{ jobId: leased.jobId, attempt: leased.attempt, as: "succeeded" }]);
}

const states = (messages: readonly StatusResponse[]) => messages.map(({ state }) => state);

describe.each([
  ["gRPC", createGrpcTransport],
  ["gRPC-Web", (options: { baseUrl: string }) => createGrpcWebTransport({ ...options, httpVersion: "1.1" })],
  ["Connect", (options: { baseUrl: string }) => createConnectTransport({ ...options, httpVersion: "1.1" })],
])("over %s", (_, transport) => {
  test("the state now, each change, and the end", async () => {
    const { url, store } = await startServer();
    const client = createClient(service, transport({ baseUrl: url }));
    const watch = client.watchStatus({ jobId: await accept(client) })[Symbol.asyncIterator]();
    const first = await watch.next();
    expect(first.value).toMatchObject({ state: JobState.QUEUED, status: "processing", eventId: "watched" });
    const session = await store.openSession("worker", 30_000);
    const [leased] = await store.claim(session, 1);
    expect((await watch.next()).value).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
    if (leased !== undefined)
      await store.settle(session, [{ ...leased, as: "retry", delayMs: 0, error: "no" }]);
    const [again] = await vi.waitUntil(async () => {
      const jobs = await store.claim(session, 1);
      return jobs.length > 0 && jobs;
    });
    if (again !== undefined) {
      const result = new TextEncoder().encode("welcome");
      await store.settle(session, [{ ...again, as: "succeeded", result }]);
    }
    const rest: StatusResponse[] = [];
    for (let next = await watch.next(); next.done !== true; next = await watch.next()) rest.push(next.value);
    const last = rest.at(-1);
    expect(last).toMatchObject({ state: JobState.SUCCEEDED, status: "done", result: "welcome", attempts: 2 });
    const revisions = rest.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].toSorted((a, b) => Number(a - b)));
  });
});

test("a job that has ended is one message, whatever the caller has already", async () => {
  const { client, store } = await startServer();
  const jobId = await accept(client);
  await succeed(store);
  const [only] = await all(client.watchStatus({ jobId }));
  expect(only).toMatchObject({ status: "done" });
  expect(await all(client.watchStatus({ jobId, afterRevision: only?.revision ?? 0n }))).toEqual([only]);
});

test("what the caller has already is left out", async () => {
  const { client, store } = await startServer();
  const jobId = await accept(client);
  const { revision } = await client.getStatus({ jobId });
  const watched = all(client.watchStatus({ jobId, afterRevision: revision }));
  await vi.waitUntil(async () => (await client.getStatus({ jobId })).state === JobState.QUEUED);
  await succeed(store);
  const messages = await watched;
  expect(messages.every((each) => each.revision > revision)).toBe(true);
  expect(states(messages).at(-1)).toBe(JobState.SUCCEEDED);
});

test("an unknown id is one message, in any case of its letters a known one is found", async () => {
  const { client, store } = await startServer();
  const jobId = "01890000-0000-7000-8000-000000000000";
  expect(await all(client.watchStatus({ jobId }))).toMatchObject([{ status: "not found", jobId }]);
  expect(await all(client.watchStatus({ jobId: "nonsense" }))).toMatchObject([{ status: "not found" }]);
  const known = await accept(client);
  const watched = all(client.watchStatus({ jobId: known.toUpperCase() }));
  await succeed(store);
  expect((await watched).at(-1)).toMatchObject({ status: "done" });
});

test("a job of another tenant is one that never was", async () => {
  const { client } = await startServer((store) => ({
    async get(ids) {
      const jobs = await store.get(ids);
      for (const job of jobs) if (job !== null) job.tenant = "another";
      return jobs;
    },
  }));
  expect(await all(client.watchStatus({ jobId: await accept(client) }))).toMatchObject([
    { status: "not found" },
  ]);
});

test("whenever a job ends, before, while or after a watch begins, its end is told exactly once", async () => {
  const { client, store } = await startServer();
  const session = await store.openSession("worker", 30_000);
  for (let round = 0; round < 200; round++) {
    const jobId = await accept(client, `event-${round}`);
    const [leased] = await store.claim(session, 1);
    const settle = async () => {
      for (let turn = 0; turn < round % 10; turn++) await new Promise(setImmediate);
      await store.settle(session, [{ jobId, attempt: leased?.attempt ?? 0, as: "succeeded" }]);
    };
    const [messages] = await Promise.all([all(client.watchStatus({ jobId })), settle()]);
    expect(states(messages).filter((state) => state === JobState.SUCCEEDED)).toHaveLength(1);
    expect(states(messages).at(-1)).toBe(JobState.SUCCEEDED);
  }
});

test("changes that were not hinted at are found all the same", async () => {
  const { client, store } = await startServer((real) => ({
    hints: (signal) => createHints().listen(signal),
    caps: { ...real.caps, exclusive: false },
  }));
  const watched = all(client.watchStatus({ jobId: await accept(client) }));
  await succeed(store);
  expect(states(await watched).at(-1)).toBe(JobState.SUCCEEDED);
});

test("many watch one job, and each is told its end", async () => {
  const { client, store, events } = await startServer();
  const jobId = await accept(client);
  const watches = Array.from({ length: 50 }, () => all(client.watchStatus({ jobId })));
  await vi.waitUntil(() => events.some((event) => event.kind === "watchers" && event.count === 50));
  await succeed(store);
  for (const messages of await Promise.all(watches)) expect(states(messages).at(-1)).toBe(JobState.SUCCEEDED);
  expect(events.findLast((event) => event.kind === "watchers")).toMatchObject({ count: 0 });
});

test("whoever leaves frees its place", async () => {
  const { client, events } = await startServer();
  const jobId = await accept(client);
  for (let n = 0; n < 100; n++) {
    const controller = new AbortController();
    const watch = client.watchStatus({ jobId }, { signal: controller.signal })[Symbol.asyncIterator]();
    await watch.next();
    controller.abort();
  }
  await vi.waitFor(() =>
    expect(events.findLast((event) => event.kind === "watchers")).toMatchObject({ count: 0 }),
  );
});

test("more than may watch are told to come back", async () => {
  const { client } = await startServer(undefined, { maxWatchers: 1 });
  const jobId = await accept(client);
  const watch = client.watchStatus({ jobId })[Symbol.asyncIterator]();
  await watch.next();
  const refused = await refusal(all(client.watchStatus({ jobId })));
  expect(refused.code).toBe(Code.Unavailable);
  expect(refused.findDetails(RetryInfoSchema)).toHaveLength(1);
});

test("a store that cannot be read ends a watch with UNAVAILABLE, not with a state", async () => {
  const { client } = await startServer(() => ({
    get: () => Promise.reject(new StoreError("notApplied", "unavailable", "the disk is away")),
  }));
  const refused = await refusal(all(client.watchStatus({ jobId: await accept(client) })));
  expect(refused.code).toBe(Code.Unavailable);
  expect(refused.rawMessage).toContain("call again");
  expect(refused.findDetails(RetryInfoSchema)).toHaveLength(1);
});

test("a drain ends watches at once, and they can go on elsewhere", async () => {
  const { client, server } = await startServer(undefined, { graceMs: 20_000 });
  const watch = client.watchStatus({ jobId: await accept(client) })[Symbol.asyncIterator]();
  await watch.next();
  const [refused] = await Promise.all([refusal(watch.next()), server.close()]);
  expect(refused.code).toBe(Code.Unavailable);
  expect(refused.findDetails(RetryInfoSchema)).toHaveLength(1);
});

test("a look that is under way does not hide a change that comes meanwhile", async () => {
  const held = gate();
  let isHeld = false;
  const { client, store } = await startServer((real) => ({
    async get(ids) {
      const jobs = await real.get(ids);
      if (!isHeld) {
        isHeld = true;
        await held.opened;
      }
      return jobs;
    },
  }));
  const watched = all(client.watchStatus({ jobId: await accept(client) }));
  await vi.waitUntil(() => isHeld);
  await succeed(store);
  held.open();
  const messages = await watched;
  expect(states(messages)[0]).toBe(JobState.QUEUED);
  expect(states(messages).at(-1)).toBe(JobState.SUCCEEDED);
});
