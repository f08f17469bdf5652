import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { EventService } from "@event-ingestion/api";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createEventClient } from "./client.ts";
import type { ClientEvent, EventClientOptions } from "./options.ts";

type Status = MessageInitShape<typeof EventService.method.watchStatus.output>;

const jobId = "0199aaaa-0000-7000-8000-000000000001";
const processing = (revision: bigint): Status => ({ status: "processing", revision });
const done = (revision: bigint): Status => ({ status: "done", revision });
const unavailable = () => new ConnectError("away", Code.Unavailable);

/** A service whose watches send what the script says, one entry a call. "hang": says nothing more. */
function setup(script: (Status | ConnectError | "hang")[][], options: Partial<EventClientOptions> = {}) {
  const asked: bigint[] = [];
  const observed: ClientEvent[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(EventService, {
      async *watchStatus({ afterRevision }, { signal }) {
        asked.push(afterRevision);
        for (const message of script.shift() ?? []) {
          if (message === "hang") await new Promise((_, reject) => signal.addEventListener("abort", reject));
          else if (message instanceof ConnectError) throw message;
          else yield message;
        }
      },
    }),
  );
  const observe = (event: ClientEvent) => void observed.push(event);
  return { client: createEventClient({ transport, observe, ...options }), asked, observed };
}

async function revisions(watch: AsyncIterable<{ revision: bigint }>): Promise<bigint[]> {
  const seen: bigint[] = [];
  for await (const { revision } of watch) seen.push(revision);
  return seen;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("gives each state once, newer than the one before, and ends with the job", async () => {
  const { client } = setup([
    [processing(3n), processing(3n), processing(5n), processing(4n), done(7n), done(8n)],
  ]);
  expect(await revisions(client.watch(jobId))).toEqual([3n, 5n, 7n]);
  expect(vi.getTimerCount()).toBe(0);
});

test("an unknown id ends it", async () => {
  const { client } = setup([[{ status: "not found" }]]);
  expect(await revisions(client.watch(jobId))).toEqual([0n]);
});

test("a watch that breaks, or ends too soon, is opened again where it was", async () => {
  const { client, asked, observed } = setup([[processing(3n), unavailable()], [processing(5n)], [done(7n)]]);
  const watched = revisions(client.watch(jobId));
  await vi.advanceTimersByTimeAsync(1000);
  expect(await watched).toEqual([3n, 5n, 7n]);
  expect(asked).toEqual([0n, 3n, 5n]);
  // What was heard counts as an answer: the next failure is a first one again.
  expect(observed.map(({ tries }) => tries)).toEqual([1, 1]);
});

test("an error that stands ends it, and so does the last try", async () => {
  const denied = setup([[new ConnectError("no", Code.PermissionDenied)]]);
  await expect(revisions(denied.client.watch(jobId))).rejects.toMatchObject({ code: Code.PermissionDenied });
  const away = setup([[unavailable()], [unavailable()], [done(7n)]], { maxTries: 2 });
  const failed = revisions(away.client.watch(jobId)).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await failed).toMatchObject({ code: Code.Unavailable });
});

test("a watch that hears nothing is opened again", async () => {
  const { client, asked, observed } = setup([[processing(3n), "hang"], [done(7n)]]);
  const watched = revisions(client.watch(jobId));
  await vi.advanceTimersByTimeAsync(44_000);
  expect(asked).toEqual([0n]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await watched).toEqual([3n, 7n]);
  expect(observed).toMatchObject([{ error: { rawMessage: "nothing was heard of the job for 45000 ms" } }]);
});

test("a reader that takes its time is not a silence", async () => {
  const { client, asked } = setup([[processing(3n), done(7n)]]);
  const watch = client.watch(jobId)[Symbol.asyncIterator]();
  await watch.next();
  await vi.advanceTimersByTimeAsync(60_000);
  expect((await watch.next()).value).toMatchObject({ revision: 7n });
  expect(asked).toEqual([0n]);
});

test("ends at its timeout, and when it is told to", async () => {
  const { client } = setup([["hang"], ["hang"]]);
  const late = revisions(client.watch(jobId, { timeoutMs: 1000 })).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await late).toMatchObject({ code: Code.DeadlineExceeded });
  const abort = new AbortController();
  const told = revisions(client.watch(jobId, { signal: abort.signal })).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1);
  abort.abort();
  expect(await told).toMatchObject({ code: Code.Canceled });
  expect(vi.getTimerCount()).toBe(0);
});

test("leaving the loop ends the call", async () => {
  const { client } = setup([[processing(3n), "hang"]]);
  for await (const job of client.watch(jobId)) {
    expect(job.revision).toBe(3n);
    break;
  }
  expect(vi.getTimerCount()).toBe(0);
});
