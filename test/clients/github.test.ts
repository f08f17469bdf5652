import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService, Outcome } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { clientMain, root, startServer } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// Real input: the webhook deliveries that GitHub documents, through the command line client, handled by type.

interface Line {
  event_id: string;
  type: string;
  payload: string;
}

test("GitHub's webhook deliveries go in as NDJSON and all end done; sent again they are the same jobs", async () => {
  using dir = tempDir();
  const env = { STORE_URL: `sqlite:${dir.path}/events.db`, HANDLERS: `${root}examples/github-handlers.ts` };
  await using server = await startServer({ env });
  const print = promisify(execFile)(process.execPath, [`${root}examples/github-deliveries.ts`], {
    maxBuffer: 2 ** 26,
  });
  const ndjson = (await print).stdout;
  const lines = ndjson
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const distinct = new Set(lines.map((line) => line.event_id)).size;
  expect(distinct).toBeGreaterThan(300);

  const args = [clientMain, "ingest", "--file", "-", "--server", server.url, "--output", "json"];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], cwd: dir.path });
  child.stdin.end(ndjson);
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  const sent = lines.length;
  expect(JSON.parse(out)).toMatchObject({ sent, accepted: sent, duplicates: sent - distinct, rejected: 0 });
  expect(code).toBe(0);

  const client = createClient(EventService, createGrpcTransport({ baseUrl: server.url }));
  const pushes: string[] = [];
  for (const { event_id: eventId, type, payload } of lines) {
    const { outcome, jobId } = await client.ingestEvent({ eventId, type, payload });
    expect(outcome).toBe(Outcome.DUPLICATE);
    let status = await client.getStatus({ jobId });
    while (status.status === "processing") status = await client.getStatus({ jobId });
    expect(status).toMatchObject({ status: "done", attempts: 1, type });
    if (type === "push") pushes.push(status.result);
  }
  expect(pushes[0]).toMatch(/^\d+ commits to refs\//);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain(`event_accepted_total ${distinct}\n`);
  expect(metrics).toContain(`event_jobs{state="SUCCEEDED"} ${distinct}\n`);
});
