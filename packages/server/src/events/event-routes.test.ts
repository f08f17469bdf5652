import { create } from "@bufbuild/protobuf";
import { StatusResponseSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { startServer } from "../testing/start-server.ts";

const newEvent = { eventId: "e", type: "", payload: new Uint8Array(), timestamp: 0n, maxAttempts: 3 };

test("a job of another tenant is answered as one that never was", async () => {
  const { client, store } = await startServer();
  const [other, own] = await store.append([
    { ...newEvent, tenant: "other" },
    { ...newEvent, tenant: "" },
  ]);
  const status = await client.getStatus({ jobId: other?.jobId ?? "" });
  expect(status).toEqual(create(StatusResponseSchema, { status: "not found", jobId: other?.jobId ?? "" }));
  expect(await client.getStatus({ jobId: own?.jobId ?? "" })).toMatchObject({ status: "processing" });
});

test("the status of a job that is due at the end of all time, or after it, can be read as JSON", async () => {
  const { client, url, store } = await startServer();
  const processAfter = { seconds: 253_402_300_799n, nanos: 999_999_999 };
  const { jobId } = await client.ingestEvent({ eventId: "last", processAfter });
  const [after] = await store.append([{ ...newEvent, tenant: "", runAt: 253_402_300_800_000 }]);
  for (const id of [jobId, after?.jobId]) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ jobId: id });
    const answer = await fetch(`${url}/event.EventService/GetStatus`, { method: "POST", headers, body });
    expect(await answer.json()).toMatchObject({
      status: "processing",
      nextAttemptAt: "9999-12-31T23:59:59.999Z",
    });
  }
});
