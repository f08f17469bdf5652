import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EventService, Outcome } from "@event-ingestion/api";
import { expect, test, vi } from "vitest";
import { gate, refusal, startServer } from "../testing/start-server.ts";

/** A server whose store is busy until the test opens the gate; `reached` opens with the first call. */
async function startBusy() {
  const busy = gate();
  const reached = gate();
  const running = await startServer((real) => ({
    append: async (batch) => {
      reached.open();
      await busy.opened;
      return real.append(batch);
    },
  }));
  return { ...running, busy, reached };
}

test("a deadline that passes before the write: nothing is stored", async () => {
  const { client, store, events, busy, reached } = await startBusy();
  const first = client.ingestEvent({ eventId: "first" });
  await reached.opened;
  const error = await refusal(client.ingestEvent({ eventId: "late" }, { timeoutMs: 200 }));
  expect(error.code).toBe(Code.DeadlineExceeded);
  await vi.waitFor(
    () => expect(events).toContainEqual({ kind: "rejected", reason: "aborted", count: 1 }),
    10_000,
  );
  busy.open();
  expect((await first).accepted).toBe(true);
  expect(await store.find("", ["late"])).toEqual([null]);
});

test.each(["1.1", "2"] as const)(
  "HTTP/%s: a client that goes away before the write counts as aborted, and nothing is stored",
  async (httpVersion) => {
    const { url, client, store, events, busy, reached } = await startBusy();
    const first = client.ingestEvent({ eventId: "first" });
    await reached.opened;
    const leaving = createClient(EventService, createConnectTransport({ baseUrl: url, httpVersion }));
    const signal = AbortSignal.timeout(200);
    const error = await refusal(leaving.ingestEvent({ eventId: "left" }, { signal }));
    expect(error.code).toBe(Code.Canceled);
    await vi.waitFor(
      () => expect(events).toContainEqual(expect.objectContaining({ kind: "rejected" })),
      10_000,
    );
    expect(events).toContainEqual({ kind: "rejected", reason: "aborted", count: 1 });
    busy.open();
    expect((await first).accepted).toBe(true);
    expect(await store.find("", ["left"])).toEqual([null]);
  },
);

test("a cancel once the write is under way: stored once, and the retry is a duplicate", async () => {
  const { client, busy, reached } = await startBusy();
  const aborter = new AbortController();
  const cancelled = refusal(client.ingestEvent({ eventId: "a" }, { signal: aborter.signal }));
  await reached.opened;
  aborter.abort();
  expect((await cancelled).code).toBe(Code.Canceled);
  busy.open();
  expect((await client.ingestEvent({ eventId: "a" })).outcome).toBe(Outcome.DUPLICATE);
});

test("events that arrive while a commit is under way share the next", async () => {
  const sizes: number[] = [];
  const busy = gate();
  const { client } = await startServer((real) => ({
    append: async (batch) => {
      sizes.push(batch.length);
      await busy.opened;
      return real.append(batch);
    },
  }));
  const calls = Array.from({ length: 50 }, (_, n) => client.ingestEvent({ eventId: `e${n}` }));
  await vi.waitFor(() => expect(sizes).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 200));
  busy.open();
  const jobs = new Set((await Promise.all(calls)).map(({ jobId }) => jobId));
  expect(jobs.size).toBe(50);
  expect(sizes.length).toBeLessThan(10);
});

/** What is shared is reached over a network: a call handed over early would wait for a connection while its deadline runs. */
test.each([
  { exclusive: true, calls: { append: 2, get: 3 } },
  { exclusive: false, calls: { append: 1, get: 2 } },
])("only an exclusive store gets calls early: $exclusive, $calls", async ({ exclusive, calls }) => {
  const busy = gate();
  const begun = { append: 0, get: 0 };
  const { client } = await startServer((real) => ({
    caps: { ...real.caps, exclusive },
    append: async (batch) => {
      begun.append++;
      await busy.opened;
      return real.append(batch);
    },
    get: async (ids) => {
      begun.get++;
      await busy.opened;
      return real.get(ids);
    },
  }));
  const asked: Promise<unknown>[] = [];
  // Enough for one call more than may be under way, each round.
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 10 * (round + 1); n++)
      asked.push(
        client.ingestEvent({ eventId: `e${round}-${n}` }),
        refusal(client.getStatus({ jobId: "none" })),
      );
    // Behind them on their connection, so they have come in.
    for (const eventId of ["", ""]) await client.ingestEvent({ eventId });
  }
  const withBusyStore = { ...begun };
  busy.open();
  await Promise.all(asked);
  expect(withBusyStore).toEqual(calls);
});

test("close answers what is in flight, says NOT_SERVING meanwhile, and takes nothing after", async () => {
  const { client, server, store, events, busy, reached } = await startBusy();
  const inFlight = client.ingestEvent({ eventId: "a" });
  await reached.opened;
  const closing = server.close();
  expect(server.readiness).toEqual({ ready: false, reason: "draining" });
  busy.open();
  const { jobId } = await inFlight;
  await closing;
  expect(await store.find("", ["a"])).toEqual([jobId]);
  expect((await refusal(client.ingestEvent({ eventId: "b" }))).code).toBe(Code.Unavailable);
  expect(events.map(({ kind }) => kind)).toContain("drained");
});
