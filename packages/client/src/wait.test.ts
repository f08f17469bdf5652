import type { MessageInitShape } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { EventService } from "@event-ingestion/api";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createEventClient } from "./client.ts";

type Status = MessageInitShape<typeof EventService.method.watchStatus.output>;

const jobId = "0199aaaa-0000-7000-8000-000000000001";
const processing: Status = { status: "processing", revision: 3n };

/** A service that shows what is watched and asked. `watch` sends what it is given, then hangs. */
function setup({ first = [processing], streaming = true }: { first?: Status[]; streaming?: boolean } = {}) {
  const calls = { watched: 0, asked: 0, open: 0 };
  const done = Promise.withResolvers<void>();
  const job = { answer: processing };
  const transport = createRouterTransport(({ service }) =>
    service(EventService, {
      getStatus() {
        calls.asked++;
        return job.answer;
      },
      async *watchStatus(_, { signal }) {
        calls.watched++;
        calls.open++;
        signal.addEventListener("abort", () => calls.open--, { once: true });
        yield* first;
        const aborted = new Promise<void>((_resolve, reject) =>
          signal.addEventListener("abort", () => reject()),
        );
        await Promise.race([done.promise, aborted]);
        yield { status: "done", revision: 7n };
      },
    }),
  );
  return { client: createEventClient({ transport, streaming }), calls, job, done };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a job is watched, not asked for", async () => {
  const { client, calls, done } = setup();
  const waiting = client.waitUntilDone(jobId);
  await vi.advanceTimersByTimeAsync(20_000);
  done.resolve();
  expect(await waiting).toMatchObject({ status: "done" });
  expect(calls).toMatchObject({ watched: 1, asked: 0 });
  expect(vi.getTimerCount()).toBe(0);
});

test("when its time is over a wait asks once more", async () => {
  const { client, calls, job } = setup();
  const missed = client.waitUntilDone(jobId, { timeoutMs: 1000 }).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1010);
  expect(await missed).toHaveProperty("rawMessage", `job ${jobId} is still processing after 1000 ms`);
  expect(calls).toMatchObject({ watched: 1, asked: 1, open: 0 });
  job.answer = { status: "done", revision: 7n };
  const just = client.waitUntilDone(jobId, { timeoutMs: 1000 });
  await vi.advanceTimersByTimeAsync(1010);
  expect(await just).toMatchObject({ status: "done" });
});

test("where nothing of a watch comes through, the job is asked for", async () => {
  const { client, calls, job } = setup({ first: [] });
  const waiting = client.waitUntilDone(jobId);
  await vi.advanceTimersByTimeAsync(5100);
  expect(calls).toMatchObject({ watched: 1, open: 0 });
  job.answer = { status: "done", revision: 7n };
  await vi.advanceTimersByTimeAsync(2000);
  expect(await waiting).toMatchObject({ status: "done" });
});

test("many waits leave streams to other calls: beyond 64 they ask", async () => {
  const { client, calls, done, job } = setup();
  const waits = Array.from({ length: 70 }, () => client.waitUntilDone(jobId));
  await vi.advanceTimersByTimeAsync(10);
  expect(calls).toMatchObject({ watched: 64, asked: 6 });
  done.resolve();
  job.answer = { status: "done", revision: 7n };
  await vi.advanceTimersByTimeAsync(2000);
  expect((await Promise.all(waits)).every(({ status }) => status === "done")).toBe(true);
});

test("streaming: false asks", async () => {
  const { client, calls, job } = setup({ streaming: false });
  job.answer = { status: "done", revision: 7n };
  expect(await client.waitUntilDone(jobId)).toMatchObject({ status: "done" });
  expect(calls).toMatchObject({ watched: 0, asked: 1 });
});
