import { Code } from "@connectrpc/connect";
import { Outcome } from "@event-ingestion/api";
import { expect, test, vi } from "vitest";
import { gate, refusal, startServer } from "../testing/start-server.ts";

const batch = (name: string, size = 1000) => ({
  events: Array.from({ length: size }, (_, n) => ({ eventId: `${name}-${n}` })),
});

/** A server whose store is held, with one batch under way and one that fills the room. */
async function full() {
  const held = gate();
  const begun: number[] = [];
  const running = await startServer(
    (real) => ({
      append: async (events) => {
        begun.push(events.length);
        await held.opened;
        return real.append(events);
      },
    }),
    { maxPendingEvents: 1000 },
  );
  const underWay = running.client.ingestBatch(batch("under-way"));
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  const waiting = running.client.ingestBatch(batch("waiting"));
  // It has come in when there is no room for a single event.
  await vi.waitFor(async () => {
    const signal = AbortSignal.timeout(100);
    expect((await refusal(running.client.ingestEvent({ eventId: "x" }, { signal }))).code).toBe(
      Code.Unavailable,
    );
  }, 10_000);
  return { ...running, held, accepted: [underWay, waiting] };
}

test("while the room is full, batches are refused unread, and stored once there is room again", async () => {
  const { client, store, events, held, accepted } = await full();
  // Read, it would be refused for its size.
  const unread = await refusal(client.ingestBatch(batch("unread", 1001)));
  expect(unread.code).toBe(Code.Unavailable);
  expect(Number(unread.metadata.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(events).toContainEqual({ kind: "connection", what: "batch-overload" });
  expect((await refusal(client.ingestBatch(batch("later")))).code).toBe(Code.Unavailable);
  expect(await store.find("", ["unread-0", "later-0"])).toEqual([null, null]);

  held.open();
  await Promise.all(accepted);
  const { results } = await client.ingestBatch(batch("later"));
  expect(results.every(({ outcome }) => outcome === Outcome.ACCEPTED)).toBe(true);
  expect((await refusal(client.ingestBatch(batch("unread", 1001)))).code).toBe(Code.InvalidArgument);
});

test("while the room is full, an event that is known is answered", async () => {
  const { client, store, held, accepted } = await full();
  const [appended] = await store.append([
    { tenant: "", eventId: "known", type: "", payload: new Uint8Array(), timestamp: 0n, maxAttempts: 1 },
  ]);
  expect(await client.ingestEvent({ eventId: "known" })).toMatchObject({
    outcome: Outcome.DUPLICATE,
    jobId: appended?.outcome === "ACCEPTED" ? appended.jobId : "none",
  });
  expect((await refusal(client.ingestEvent({ eventId: "new" }))).code).toBe(Code.Unavailable);
  held.open();
  await Promise.all(accepted);
});
