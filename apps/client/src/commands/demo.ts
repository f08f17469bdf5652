import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StatusResponse } from "@event-ingestion/api";
import type { EventClient } from "@event-ingestion/client";
import type { Config } from "../config.ts";
import { connect, impatient } from "../connection.ts";
import { exitCodes } from "../failure.ts";
import { createOutput, inWords, table } from "../output.ts";

/** How long the demo waits for its events. */
const waitMs = 60_000;

/** Jobs that are asked about at once. */
const askers = 32;

/** The types of the example handlers, and one that only their default handler takes. */
const types = ["user.signup", "order.created", "payment.captured", "demo.note"];

/** `event demo`: sends events of the example types and waits until they are processed. Answers with the exit code. */
export async function demo(count: number, config: Config, signal: AbortSignal): Promise<number> {
  using connection = connect(config, impatient);
  const output = createOutput(config);
  const start = performance.now();
  const sent = await send(connection.client, count, signal);
  output.note(
    `${count} events sent in ${inWords(performance.now() - start)}, waiting until they are processed`,
  );

  const deadline = performance.now() + (config.timeoutMs ?? waitMs);
  const jobs = await waitForAll(connection.client, sent, { deadline, signal });
  const rows = [...Map.groupBy(jobs, ({ type }) => type)].map(([type, ofType]) => summary(type, ofType));
  const head = ["TYPE", "SENT", "DONE", "FAILED", "PROCESSING", "SLOWEST"];
  const cells = rows.map((row) => [
    row.type,
    ...[row.sent, row.done, row.failed, row.processing].map(String),
    inWords(row.slowest_ms),
  ]);
  output.many(rows, table([head, ...cells]));

  if (rows.some(({ processing }) => processing > 0)) {
    output.note("some are still processing: is a worker running? `pnpm dev` runs one");
    return exitCodes.unavailable;
  }
  return rows.some(({ failed }) => failed > 0) ? exitCodes.unexpected : exitCodes.ok;
}

/** An event that was sent; without `job` it was not processed in time. */
interface Sent {
  type: string;
  jobId: string;
  job?: StatusResponse;
}

async function send(client: EventClient, count: number, signal: AbortSignal): Promise<Sent[]> {
  const events = Array.from({ length: count }, (_, n) => ({
    type: types[n % types.length] ?? "",
    payload: JSON.stringify({ n, email: `user${n}@example.com`, amount: 10 + n }),
  }));
  const sent: Sent[] = [];
  for await (const { event, response } of client.ingestMany(events, { signal })) {
    if (!response.accepted) throw new ConnectError(response.message, Code.InvalidArgument);
    sent.push({ type: event.type, jobId: response.jobId });
  }
  return sent;
}

async function waitForAll(
  client: EventClient,
  sent: Sent[],
  { deadline, signal }: { deadline: number; signal: AbortSignal },
): Promise<Sent[]> {
  const next = sent.values();
  const ask = async () => {
    for (const one of next) {
      const timeoutMs = Math.max(1, Math.ceil(deadline - performance.now()));
      try {
        one.job = await client.waitUntilDone(one.jobId, { signal, timeoutMs });
      } catch (error) {
        if (ConnectError.from(error).code !== Code.DeadlineExceeded) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: askers }, ask));
  return sent;
}

function summary(type: string, sent: Sent[]) {
  const done = sent.filter(({ job }) => job?.status === "done").length;
  const processing = sent.filter(({ job }) => job === undefined).length;
  return {
    type,
    sent: sent.length,
    done,
    failed: sent.length - done - processing,
    processing,
    slowest_ms: Math.max(0, ...sent.map(tookMs)),
  };
}

function tookMs({ job }: Sent): number {
  if (job?.acceptedAt === undefined || job.finishedAt === undefined) return 0;
  return timestampDate(job.finishedAt).getTime() - timestampDate(job.acceptedAt).getTime();
}
