import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { StatusResponseSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { waitForJob } from "./wait-for-job.ts";

const done = create(StatusResponseSchema, { status: "done" });

/** A client that answers as the script says; counts how often it was asked. */
function scripted(...script: (ConnectError | typeof done)[]) {
  const asked: (number | undefined)[] = [];
  const client = {
    async waitUntilDone(_jobId: string, { timeoutMs }: { timeoutMs?: number | undefined } = {}) {
      asked.push(timeoutMs);
      const answer = script.shift();
      if (answer instanceof Error) throw answer;
      return answer ?? done;
    },
  };
  return { client, asked };
}

const wait = (
  { client }: ReturnType<typeof scripted>,
  { timeoutMs, signal = new AbortController().signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
) => waitForJob("j", { client, address: "host:1", timeoutMs, signal });

test("without a limit it outlives a server that is away for longer than a call waits", async () => {
  const script = scripted(
    new ConnectError("connection refused", Code.Unavailable),
    new ConnectError("the operation timed out", Code.DeadlineExceeded),
    new ConnectError("connection lost", Code.Aborted),
  );
  expect(await wait(script)).toBe(done);
  expect(script.asked).toEqual([undefined, undefined, undefined, undefined]);
});

test("with a limit it ends with whatever ends the client's own wait", async () => {
  const script = scripted(new ConnectError("connection refused", Code.Unavailable));
  await expect(wait(script, { timeoutMs: 100 })).rejects.toThrow("connection refused");
  expect(script.asked).toEqual([100]);
});

test("an error that stands ends it", async () => {
  for (const code of [Code.Unauthenticated, Code.Internal, Code.Unimplemented]) {
    await expect(wait(scripted(new ConnectError("no", code)))).rejects.toThrow("no");
  }
});

test("an abort ends it", async () => {
  const signal = AbortSignal.abort();
  await expect(wait(scripted(new ConnectError("stop", Code.Canceled)), { signal })).rejects.toThrow("stop");
});
