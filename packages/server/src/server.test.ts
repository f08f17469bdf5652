import { Code } from "@connectrpc/connect";
import { Outcome } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { StoreError } from "@event-ingestion/store";
import { expect, test, vi } from "vitest";
import { createServer } from "./server.ts";
import { refusal, startServer } from "./testing/start-server.ts";

test.each(["overloaded", "unavailable"] as const)(
  "%s: a new event is UNAVAILABLE with a delay, one that is known is still answered",
  async (reason) => {
    let refuse = false;
    const { client, store, events } = await startServer((real) => ({
      append: (batch) =>
        refuse ? Promise.reject(new StoreError("notApplied", reason, "no room")) : real.append(batch),
    }));
    const known = await client.ingestEvent({ eventId: "known", payload: "p" });
    refuse = true;

    const error = await refusal(client.ingestEvent({ eventId: "new" }));
    expect(error.code).toBe(Code.Unavailable);
    expect(Number(error.metadata.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const [retry] = error.findDetails(RetryInfoSchema);
    const delayMs = Number(retry?.retryDelay?.seconds) * 1000 + Number(retry?.retryDelay?.nanos) / 1e6;
    expect(delayMs).toBeGreaterThanOrEqual(800);
    expect(delayMs).toBeLessThanOrEqual(1200);
    expect(await store.find("", ["new"])).toEqual([null]);

    expect(await client.ingestEvent({ eventId: "known", payload: "p" })).toMatchObject({
      outcome: Outcome.DUPLICATE,
      jobId: known.jobId,
    });
    expect(await client.ingestEvent({ eventId: "known", payload: "other" })).toMatchObject({
      outcome: Outcome.CONFLICT,
    });
    expect(events).toContainEqual({ kind: "rejected", reason: "unavailable", count: 1 });
  },
);

test("while the store refuses, a batch is answered only if all of it is known", async () => {
  let refuse = false;
  const { client, store } = await startServer((real) => ({
    append: (batch) =>
      refuse ? Promise.reject(new StoreError("notApplied", "overloaded", "no room")) : real.append(batch),
  }));
  const known = [{ eventId: "a" }, { eventId: "b" }];
  await client.ingestBatch({ events: known });
  refuse = true;
  const { results } = await client.ingestBatch({ events: [...known, { eventId: "" }] });
  expect(results.map(({ outcome }) => outcome)).toEqual([
    Outcome.DUPLICATE,
    Outcome.DUPLICATE,
    Outcome.INVALID,
  ]);
  const error = await refusal(client.ingestBatch({ events: [...known, { eventId: "c" }] }));
  expect(error.code).toBe(Code.Unavailable);
  expect(await store.find("", ["c"])).toEqual([null]);
});

test("the payloads of a batch are stored as they were sent, and outcomes are told once each", async () => {
  const { client, store, events } = await startServer();
  const payloads = ["", "a", "é", "", "\u{1d11e}", "\0", "x".repeat(100_000), "漢字", "end"];
  const batch = payloads.map((payload, n) => ({ eventId: `e${n}`, payload }));
  await client.ingestBatch({ events: [...batch, ...batch.slice(0, 3), { eventId: "" }] });
  const session = await store.openSession("test", 60_000);
  const leased = await store.claim(session, 100);
  const stored = leased.map(({ event }) => [event.eventId, Buffer.from(event.payload).toString()] as const);
  expect(new Map(stored)).toEqual(new Map(batch.map(({ eventId, payload }) => [eventId, payload])));
  expect(events.filter(({ kind }) => kind === "ingested")).toEqual([
    { kind: "ingested", outcome: Outcome.ACCEPTED, count: 9 },
    { kind: "ingested", outcome: Outcome.DUPLICATE, count: 3 },
    { kind: "ingested", outcome: Outcome.INVALID, count: 1 },
  ]);
});

test("a full queue refuses new events until it has been worked off", async () => {
  const { client, store } = await startServer(undefined, { maxQueuedJobs: 2 });
  await client.ingestBatch({ events: [{ eventId: "a" }, { eventId: "b" }] });
  const error = await refusal(client.ingestEvent({ eventId: "c" }));
  expect(error.code).toBe(Code.Unavailable);
  // Nobody works it off.
  expect(Number(error.metadata.get("retry-after"))).toBeGreaterThanOrEqual(24);
  expect((await client.ingestEvent({ eventId: "a" })).outcome).toBe(Outcome.DUPLICATE);

  const session = await store.openSession("test", 60_000);
  const leased = await store.claim(session, 10);
  await store.settle(
    session,
    leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" })),
  );
  await vi.waitFor(
    async () => expect((await client.ingestEvent({ eventId: "c" })).accepted).toBe(true),
    10_000,
  );
});

test("an unknown outcome is UNAVAILABLE, and the retry finds the job", async () => {
  let fail = true;
  const { client } = await startServer((real) => ({
    append: async (batch) => {
      const appended = await real.append(batch);
      if (fail) throw new StoreError("unknown", "unavailable", "the disk went away");
      return appended;
    },
  }));
  const error = await refusal(client.ingestEvent({ eventId: "a" }));
  expect(error.code).toBe(Code.Unavailable);
  expect(error.rawMessage).toContain("unknown whether");
  expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
  fail = false;
  expect((await client.ingestEvent({ eventId: "a" })).outcome).toBe(Outcome.DUPLICATE);
});

test("a damaged store is DATA_LOSS; a store that cannot be read is UNAVAILABLE, never not found", async () => {
  const { client } = await startServer(() => ({
    append: () => Promise.reject(new StoreError("notApplied", "corrupt", "row 7 of /secret/path")),
    lookup: () => Promise.reject(new StoreError("notApplied", "corrupt", "row 7 of /secret/path")),
    get: () => Promise.reject(new StoreError("notApplied", "unavailable", "gone")),
  }));
  const damaged = await refusal(client.ingestEvent({ eventId: "a" }));
  expect(damaged.code).toBe(Code.DataLoss);
  expect(damaged.rawMessage).not.toContain("secret");
  expect((await refusal(client.getStatus({ jobId: "x" }))).code).toBe(Code.Unavailable);
});

test("a bug is answered internal with an id that is in the log, and nothing of it leaks", async () => {
  const { client, events } = await startServer(() => ({
    get: () => Promise.reject(new Error("secret detail")),
  }));
  const error = await refusal(client.getStatus({ jobId: "x" }));
  expect(error.code).toBe(Code.Internal);
  expect(error.rawMessage).not.toContain("secret");
  const logged = events.find((event) => event.kind === "internal-error");
  expect(logged?.error).toMatchObject({ message: "secret detail" });
  expect(error.rawMessage).toContain(logged?.id);
});

test("a port that is taken is one clear error", async () => {
  const { url, store } = await startServer();
  const second = createServer({ store, port: Number(new URL(url).port) });
  await expect(second.listen()).rejects.toThrow(/127\.0\.0\.1:\d+ is already in use/);
  await second.close();
});
