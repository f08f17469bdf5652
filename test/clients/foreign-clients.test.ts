import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { needs } from "@event-ingestion/needs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root, type ServerProcess, startServer } from "../support/server-process.ts";

// Clients written by others that know nothing of our schema and ask the server for it.

const run = promisify(execFile);
let server: ServerProcess;
beforeAll(async () => {
  server = await startServer({
    env: { STORE_URL: "sqlite::memory:", HANDLERS: `${root}test/support/handlers.ts` },
  });
});
afterAll(() => server.stop());

const buf = `${root}node_modules/.bin/buf`;

describe.each(["grpc", "grpcweb", "connect"])("buf curl over %s", (protocol) => {
  test.each(["grpc-v1", "grpc-v1alpha"])("learns the schema by reflection %s", async (reflection) => {
    const eventId = `buf-${protocol}-${reflection}`;
    const flags = ["--protocol", protocol, "--reflect-protocol", reflection, "--http2-prior-knowledge"];
    const url = `${server.url}/event.EventService/IngestEvent`;
    const data = JSON.stringify({ event_id: eventId, payload: "hello", type: "echo" });
    const { stdout } = await run(buf, ["curl", ...flags, "--data", data, url]);
    expect(JSON.parse(stdout)).toMatchObject({ accepted: true, outcome: "OUTCOME_ACCEPTED" });
  });
});

test("buf curl shows the detail of an error", async () => {
  const url = `${server.url}/event.EventService/IngestEvent`;
  const data = JSON.stringify({ event_id: "x".repeat(129) });
  const flags = ["--protocol", "grpc", "--http2-prior-knowledge"];
  const failure = await run(buf, ["curl", ...flags, "--data", data, url]).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    stderr: expect.stringContaining("event_id must be at most 128 bytes, got 129"),
  });
});

const call = async (...args: string[]) => (await run("grpcurl", ["-plaintext", ...args])).stdout;

describe("grpcurl", needs("grpcurl"), () => {
  test("lists and describes the services", async () => {
    const services = (await call(`localhost:${server.port}`, "list")).trim().split("\n");
    expect(services).toEqual([
      "event.EventService",
      "event.worker.v1.WorkerService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
    expect(await call(`localhost:${server.port}`, "describe", "event.EventService")).toContain(
      "rpc IngestBatch",
    );
  });

  test("ingests and asks for the status", async () => {
    const data = JSON.stringify({ event_id: "grpcurl", payload: "hello" });
    const answer = await call("-d", data, `localhost:${server.port}`, "event.EventService/IngestEvent");
    const { jobId } = JSON.parse(answer) as { jobId: string };
    const status = await call(
      "-d",
      JSON.stringify({ job_id: jobId }),
      `localhost:${server.port}`,
      "event.EventService/GetStatus",
    );
    expect(JSON.parse(status)).toMatchObject({ eventId: "grpcurl", jobId });
  });

  test("asks for the health", async () => {
    expect(JSON.parse(await call(`localhost:${server.port}`, "grpc.health.v1.Health/Check"))).toEqual({
      status: "SERVING",
    });
  });
});

/** What the probe says, and its exit code. */
const probe = (...args: string[]) =>
  run("grpc-health-probe", ["-addr", `localhost:${server.port}`, ...args]).then(
    ({ stderr }) => ({ code: 0, said: stderr.trim() }),
    (error: { code: number; stderr: string }) => ({ code: error.code, said: error.stderr.trim() }),
  );

describe("grpc-health-probe", needs("grpc-health-probe"), () => {
  test.each(["", "event.EventService"])('finds service "%s" healthy', async (service) => {
    expect(await probe("-service", service)).toEqual({
      code: 0,
      said: expect.stringContaining("status: SERVING"),
    });
  });

  test("does not find a service that is not there", async () => {
    expect(await probe("-service", "no.such.Service")).toEqual({
      code: 3,
      said: expect.stringContaining("NotFound"),
    });
  });
});

/** What a load of `ghz` is told, by status. */
async function loadOf(...args: string[]): Promise<{ count: number; statusCodeDistribution: object }> {
  const { stdout } = await run("ghz", ["--insecure", "--format=json", ...args, `localhost:${server.port}`], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout) as { count: number; statusCodeDistribution: object };
}

describe("ghz", needs("ghz"), () => {
  const calls = ["--total=2000", "--concurrency=50", "--connections=5"];

  test("sends single events that are all accepted", async () => {
    const data = '{"event_id":"ghz-{{.RequestNumber}}","payload":"hello","type":"echo"}';
    const load = await loadOf(...calls, "--call=event.EventService/IngestEvent", `--data=${data}`);
    expect(load).toMatchObject({ count: 2000, statusCodeDistribution: { OK: 2000 } });
  });

  test("sends streams of batches that are all answered", async () => {
    const data = '[{"events":[{"event_id":"ghz-a-{{.UUID}}"}]},{"events":[{"event_id":"ghz-b-{{.UUID}}"}]}]';
    const load = await loadOf(
      "--total=200",
      "--concurrency=20",
      "--call=event.EventService/IngestStream",
      `--data=${data}`,
    );
    expect(load).toMatchObject({ count: 200, statusCodeDistribution: { OK: 200 } });
  });
});
