import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { clientMain, root, startServer } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

// Real input: the webhook deliveries that GitHub documents, through the command line client, handled by type.

test("GitHub's webhook deliveries go in as NDJSON and all end done; sent again they are the same jobs", async () => {
  using dir = tempDir();
  const env = { STORE_URL: `sqlite:${dir.path}/events.db`, HANDLERS: `${root}examples/github-handlers.ts` };
  await using server = await startServer({ env });
  const deliveries = (
    await promisify(execFile)(process.execPath, [`${root}examples/github-deliveries.ts`], {
      maxBuffer: 2 ** 26,
    })
  ).stdout;
  const eventIds = deliveries
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { event_id: string }).event_id);
  const distinct = new Set(eventIds).size;
  expect(distinct).toBeGreaterThan(300);

  const ingest = async () => {
    const args = [clientMain, "ingest", "--file", "-", "--server", server.url, "--output", "jsonl"];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], cwd: dir.path });
    child.stdin.end(deliveries);
    const [out, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect(code).toBe(0);
    return out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { eventId: string; jobId: string });
  };
  const first = await ingest();
  expect(first.map(({ eventId }) => eventId)).toEqual(eventIds);

  const client = createClient(EventService, createGrpcTransport({ baseUrl: server.url }));
  for (const { jobId } of first) {
    let status = await client.getStatus({ jobId });
    while (status.status === "processing") status = await client.getStatus({ jobId });
    expect(status).toMatchObject({ status: "done", attempts: 1 });
  }
  const push = await client.getStatus({
    jobId:
      first[eventIds.findIndex((_, n) => deliveries.split("\n")[n]?.includes('"type":"push"'))]?.jobId ?? "",
  });
  expect(push.result).toMatch(/^\d+ commits to refs\//);

  expect(await ingest()).toEqual(first.map((one) => expect.objectContaining({ jobId: one.jobId })));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain(`event_accepted_total ${distinct}\n`);
  expect(metrics).toContain(`event_jobs{state="SUCCEEDED"} ${distinct}\n`);
});
