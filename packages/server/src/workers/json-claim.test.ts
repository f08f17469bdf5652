import { expect, test } from "vitest";
import { startServer } from "../testing/start-server.ts";

async function setup() {
  const { url, store } = await startServer();
  /** Calls the WorkerService in JSON. */
  const call = async (rpc: string, message: object) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(message);
    const answer = await fetch(`${url}/event.worker.v1.WorkerService/${rpc}`, {
      method: "POST",
      headers,
      body,
    });
    const text = await answer.text();
    const got: { session?: object; jobs?: { event: { eventId: string } }[] } = JSON.parse(text);
    return { status: answer.status, bytes: Buffer.byteLength(text), ...got };
  };
  const add = (payloads: readonly string[]) =>
    store.append(
      payloads.map((payload, n) => ({
        tenant: "",
        eventId: `e${n}`,
        type: "",
        payload: Buffer.from(payload),
        timestamp: 0n,
        maxAttempts: 1,
      })),
    );
  const { session } = await call("OpenSession", { worker: "json", ttl: "60s" });
  const claim = () => call("Claim", { session, maxJobs: 10 });
  return { claim, add, store };
}

test("jobs that are large in JSON come in several answers, each of which can be taken", async () => {
  const { claim, add, store } = await setup();
  await add(Array.from({ length: 4 }, () => "\u0001".repeat(400_000)));
  const claimed: (string | undefined)[][] = [];
  for (let n = 0; n < 4; n++) {
    const { status, bytes, jobs = [] } = await claim();
    expect([status, bytes < 4 * 1024 * 1024]).toEqual([200, true]);
    claimed.push(jobs.map(({ event }) => event.eventId));
  }
  expect(claimed.map(({ length }) => length)).toEqual([1, 1, 1, 1]);
  expect(new Set(claimed.flat())).toEqual(new Set(["e0", "e1", "e2", "e3"]));
  expect((await store.counts()).byState).toMatchObject({ QUEUED: 0, RUNNING: 4, DEAD: 0 });
});

test("a job that is too large on its own comes alone", async () => {
  const { claim, add } = await setup();
  await add(["\u0001".repeat(1024 * 1024), "small"]);
  expect(await claim()).toMatchObject({ status: 200, jobs: [{ event: { eventId: "e0" } }] });
  expect(await claim()).toMatchObject({ status: 200, jobs: [{ event: { eventId: "e1" } }] });
});

test("jobs that are not come in one answer", async () => {
  const { claim, add } = await setup();
  await add(["x".repeat(1024 * 1024), "é".repeat(500_000), "\n".repeat(100_000)]);
  const { jobs = [] } = await claim();
  expect(jobs).toHaveLength(3);
});
