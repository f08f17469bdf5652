import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Echo } from "../testing/echo.ts";
import { protocols } from "../testing/protocols.ts";
import { startServer } from "../testing/test-server.ts";

type Count = ServiceImpl<typeof Echo>["count"];

/** A Count that sends messages of `size` bytes for ever, and notes what ended it. */
function forever(size: number) {
  const started = vi.fn<() => void>();
  const finalized = vi.fn<(aborted: boolean) => void>();
  const count: Count = async function* count(_, { signal }) {
    started();
    try {
      for (;;) yield { value: "x".repeat(size) };
    } finally {
      finalized(signal.aborted);
    }
  };
  return { count, started, finalized };
}

test.each([
  [10, 30],
  [1000, 50],
  [100_000, 10],
])("with messages of %d bytes, every one of %d cancelled streams is finalized", async (size, streams) => {
  const { count, started, finalized } = forever(size);
  const server = await startServer({ echo: { count } });
  const client = createClient(Echo, createGrpcTransport({ baseUrl: server.baseUrl }));
  const cancelled = async (_: unknown, n: number) => {
    let read = 0;
    const aborter = new AbortController();
    try {
      for await (const { value } of client.count({}, { signal: aborter.signal })) {
        read += value.length;
        if (read > (n % 3) * size) aborter.abort();
      }
    } catch (error) {
      return ConnectError.from(error).code;
    }
  };
  const codes = await Promise.all(Array.from({ length: streams }, cancelled));
  expect(codes).toEqual(Array(streams).fill(Code.Canceled));
  await vi.waitFor(() => expect(finalized).toHaveBeenCalledTimes(streams), 10_000);
  expect(started).toHaveBeenCalledTimes(streams);
  expect(server.failures).toEqual([]);
});

test.each(protocols)("%s: a stream that the shutdown cuts does not look complete", async (_, create) => {
  const { count, finalized } = forever(10);
  const server = await startServer({ echo: { count } });
  const client = createClient(Echo, create(server));
  const answers = client.count({})[Symbol.asyncIterator]();
  await answers.next();
  server.shutdown.abort(new ConnectError("shutting down", Code.Unavailable));
  await expect(readOn(answers)).rejects.toMatchObject({
    code: Code.Unavailable,
    rawMessage: "shutting down",
  });
  await vi.waitFor(() => expect(finalized).toHaveBeenCalledOnce(), 5000);
  expect(server.failures).toEqual([]);
});

test("a wait that takes the signal ends with the reason of its abort, which is no bug", async () => {
  const server = await startServer({
    echo: {
      async *count(message, { signal }) {
        yield message;
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
        });
      },
    },
  });
  const client = createClient(Echo, createGrpcTransport({ baseUrl: server.baseUrl }));
  const answers = client.count({})[Symbol.asyncIterator]();
  await answers.next();
  server.shutdown.abort(new ConnectError("shutting down", Code.Unavailable));
  await expect(readOn(answers)).rejects.toMatchObject({ code: Code.Unavailable });
  expect(server.failures).toEqual([]);
});

async function readOn(answers: AsyncIterator<unknown>): Promise<void> {
  for (let done: boolean | undefined = false; !done;) ({ done } = await answers.next());
}
