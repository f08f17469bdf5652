import { randomUUID } from "node:crypto";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, type ServerProcess, startServer } from "../support/server-process.ts";

// A client that was generated from the original four messages, with another gRPC implementation.

let server: ServerProcess;
let client: OriginalClient;
beforeAll(async () => {
  server = await startServer({
    env: { STORE_URL: "sqlite::memory:", HANDLERS: `${root}test/support/handlers.ts` },
  });
  const definition = loadSync(`${root}test/contract/event.proto`, {
    keepCase: true,
    longs: String,
    defaults: true,
  });
  const { event } = loadPackageDefinition(definition) as unknown as {
    event: { EventService: OriginalService };
  };
  client = new event.EventService(`localhost:${server.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await server.stop();
});

type Callback<T> = (error: ServiceError | null, answer: T) => void;
type OriginalService = new (address: string, credentials: unknown) => OriginalClient;
interface OriginalClient extends Client {
  IngestEvent(
    request: { event_id: string; payload: string; timestamp: number },
    callback: Callback<{ accepted: boolean; message: string; job_id: string }>,
  ): void;
  GetStatus(request: { job_id: string }, callback: Callback<{ status: string }>): void;
}

const ingest = (eventId: string, timestamp: number) =>
  new Promise<{ accepted: boolean; message: string; job_id: string }>((resolve, reject) => {
    client.IngestEvent({ event_id: eventId, payload: "hello", timestamp }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });

const statusOf = (jobId: string) =>
  new Promise<string>((resolve, reject) => {
    client.GetStatus({ job_id: jobId }, (error, answer) => (error ? reject(error) : resolve(answer.status)));
  });

test("it works unchanged, twice in a row with the same event_id and a new timestamp", async () => {
  const eventId = randomUUID();
  const jobs: string[] = [];
  for (const timestamp of [1_700_000_000, 1_700_000_060]) {
    const answer = await ingest(eventId, timestamp);
    expect(answer).toEqual({
      accepted: true,
      message: "Event received successfully",
      job_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    let status = await statusOf(answer.job_id);
    while (status === "processing") status = await statusOf(answer.job_id);
    expect(status).toBe("done");
    jobs.push(answer.job_id);
  }
  expect(jobs[1]).toBe(jobs[0]);
});

test("an empty event_id and an unknown job are answered as ever", async () => {
  expect(await ingest("", 1)).toEqual({ accepted: false, message: "No event id received", job_id: "" });
  expect(await statusOf("no-such-job")).toBe("not found");
});
