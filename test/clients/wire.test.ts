import { afterAll, beforeAll, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../support/server-process.ts";

// The bytes of the original fields, and of what was added behind them, must never change.

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
});
afterAll(() => server.stop());

async function call(rpc: string, contentType: string, body: string | Buffer<ArrayBuffer>): Promise<Response> {
  const headers = { "content-type": contentType };
  return fetch(`${server.url}/event.EventService/${rpc}`, { method: "POST", headers, body });
}

async function get(path: string, init?: RequestInit): Promise<{ status: number; body: string }> {
  const response = await fetch(server.url + path, init);
  return { status: response.status, body: await response.text() };
}

const hex = async (response: Response) => Buffer.from(await response.arrayBuffer()).toString("hex");
const text = (value: string) => Buffer.from(value).toString("hex");

/** event_id "a", payload "b", timestamp 7, as the original client sends it. */
const event = Buffer.from("0a01611201621807", "hex");

test("IngestEvent in protobuf", async () => {
  const accepted = await hex(await call("IngestEvent", "application/proto", event));
  // accepted = true, message, job_id of 36 characters, outcome = ACCEPTED
  expect(accepted).toMatch(
    new RegExp(`^0801121b${text("Event received successfully")}1a24([0-9a-f]{72})2001$`),
  );
  const duplicate = await hex(await call("IngestEvent", "application/proto", event));
  expect(duplicate).toBe(accepted.replace(/2001$/, "2002"));
  const conflict = await hex(
    await call("IngestEvent", "application/proto", Buffer.from("0a01611201631807", "hex")),
  );
  expect(conflict).toBe(`122e${text("event_id already used with a different payload")}2003`);
  const empty = await hex(await call("IngestEvent", "application/proto", Buffer.from("1201621807", "hex")));
  expect(empty).toBe(`1214${text("No event id received")}2004`);
});

test("GetStatus in protobuf", async () => {
  const unknown = await hex(await call("GetStatus", "application/proto", Buffer.from("0a0178", "hex")));
  expect(unknown).toBe(`0a09${text("not found")}5a0178`);
  const { jobId } = (await (await call("IngestEvent", "application/json", '{"eventId":"s"}')).json()) as {
    jobId: string;
  };
  const request = Buffer.from(`0a24${text(jobId)}`, "hex");
  const queued = await hex(await call("GetStatus", "application/proto", request));
  // status, state = QUEUED, no attempts, max_attempts = 12
  expect(queued).toMatch(new RegExp(`^0a0a${text("processing")}1001200c2a`));
});

test("IngestEvent and GetStatus in JSON", async () => {
  const accepted = await call(
    "IngestEvent",
    "application/json",
    '{"eventId":"j","payload":"p","timestamp":"7"}',
  );
  const body = (await accepted.json()) as { jobId: string };
  expect(body).toEqual({
    accepted: true,
    message: "Event received successfully",
    jobId: body.jobId,
    outcome: "OUTCOME_ACCEPTED",
  });
  const status = await call("GetStatus", "application/json", JSON.stringify({ jobId: body.jobId }));
  expect(await status.json()).toEqual({
    status: "processing",
    state: "JOB_STATE_QUEUED",
    maxAttempts: 12,
    acceptedAt: expect.stringMatching(/^20\d\d-/),
    revision: "3",
    jobId: body.jobId,
    eventId: "j",
  });
});

test("GetStatus by HTTP GET", async () => {
  const message = encodeURIComponent(JSON.stringify({ jobId: "x" }));
  const response = await fetch(
    `${server.url}/event.EventService/GetStatus?connect=v1&encoding=json&message=${message}`,
  );
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "not found", jobId: "x" });
});

test("fields and enum numbers that a newer client sends are ignored", async () => {
  const withUnknown = Buffer.concat([Buffer.from("0a0175", "hex"), Buffer.from("f2060178", "hex")]);
  expect(await hex(await call("IngestEvent", "application/proto", withUnknown))).toMatch(/^0801/);
  const json = await call("IngestEvent", "application/json", '{"eventId":"v","unheardOf":{"a":1}}');
  expect(json.status).toBe(200);
});

test("the paths beside the rpcs", async () => {
  expect(await get("/healthz")).toEqual({ status: 200, body: "ok\n" });
  expect(await get("/readyz")).toEqual({ status: 200, body: "ok, durability: memory\n" });
  expect((await get("/")).body).toContain("<h1>Event ingestion</h1>");
  expect(await get("/nonsense")).toEqual({ status: 404, body: "not found\n" });
  expect((await get("/healthz", { method: "POST" })).status).toBe(405);
  const { body } = await get("/metrics");
  expect(body).toMatch(/^event_store_info\{durability="memory"\} 1$/m);
  expect(body).toMatch(/^event_accepted_total [1-9]/m);
  expect(body).toMatch(/^event_duplicates_total 1$/m);
  expect(body).toMatch(/^event_conflicts_total 1$/m);
  expect(body).toMatch(/^event_rejected_total\{reason="invalid"\} 1$/m);
  expect(body).toMatch(/^event_jobs\{state="QUEUED"\} [1-9]/m);
  expect(body).toMatch(/^event_oldest_ready_age_seconds [0-9.]+$/m);
  expect(body).toMatch(/^event_append_duration_seconds_count [1-9]/m);
  expect(body).toMatch(/^process_cpu_seconds_total [0-9.]+$/m);
});
