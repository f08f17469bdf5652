import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { root, startServer } from "../support/server-process.ts";
import { injecting } from "../support/strace.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What the README promises, in ms. */
const promised = 10_000;

/** A call whose body never comes; gone at the end of the scope. Resolves when the server waits for the body. */
async function hangingCall(url: string): Promise<Disposable> {
  const headers = { "content-type": "application/json", expect: "100-continue" };
  const call = request(`${url}/event.EventService/IngestEvent`, { method: "POST", headers });
  call.flushHeaders();
  await once(call, "continue");
  // It will be cut.
  call.on("error", () => undefined);
  return { [Symbol.dispose]: () => void call.destroy() };
}

test("a call and a handler that never end do not keep the server for longer than was promised", async () => {
  using dir = tempDir();
  const env = {
    STORE_URL: `sqlite:${dir.path}/events.db`,
    HANDLERS: `${root}test/support/blocking-handlers.ts`,
  };
  await using server = await startServer({ env: { ...env, BLOCK: "1" } });
  const { jobId } = await connect(server.url).ingestEvent({ eventId: "hangs", payload: "x" });
  await vi.waitFor(async () => expect(await jobsByState(server.url)).toMatchObject({ RUNNING: 1 }), 20_000);
  using call = await hangingCall(server.url);

  const start = performance.now();
  expect(call).toBeDefined();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - start).toBeLessThan(promised - 1000);
  expect(server.log).toContainEqual(expect.objectContaining({ msg: "attempt abandoned", jobId }));
  expect(server.log).toContainEqual(expect.objectContaining({ msg: "drained", forced: false }));

  await using next = await startServer({ env });
  const done = { status: "done", attempts: 2, maxAttempts: 13 };
  await expect.poll(() => connect(next.url).getStatus({ jobId }), { timeout: 20_000 }).toMatchObject(done);
});

const withMortalStore = {
  STORE_URL: "sqlite::memory:",
  HANDLERS: `${root}test/support/mortal-store.ts`,
  NODE_OPTIONS: `--import=${root}test/support/mortal-store.ts`,
};

test("a store whose thread died ends the server, so that a supervisor starts it again: one fatal line, exit 1", async () => {
  await using server = await startServer({ env: withMortalStore });
  const { accepted } = await connect(server.url).ingestEvent({ eventId: "dies", type: "die", payload: "x" });
  expect(accepted).toBe(true);
  expect(await server.stopped).toBe(1);
  const fatal = server.log.filter(({ level }) => level === 60);
  expect(fatal).toMatchObject([
    { msg: "stopping, nothing can be stored any more", reason: "the thread of the store ended" },
  ]);
});

test("a store in a file whose thread died opens again, with what it held", async () => {
  using dir = tempDir();
  const STORE_URL = `sqlite:${dir.path}/events.db`;
  await using server = await startServer({ env: { ...withMortalStore, STORE_URL } });
  const { jobId } = await connect(server.url).ingestEvent({ eventId: "dies", type: "die", payload: "x" });
  expect(await server.stopped).toBe(1);

  await using again = await startServer({ env: { STORE_URL } });
  await untilReady(again.url);
  expect(await connect(again.url).getStatus({ jobId })).toMatchObject({ eventId: "dies" });
});

test("a store that hangs in a call of the system does not keep the server for longer than was promised", async () => {
  using dir = tempDir();
  const fifo = join(dir.path, "fifo");
  execFileSync("mkfifo", [fifo]);
  await using server = await startServer({ env: withMortalStore });
  const service = connect(server.url);
  const { jobId } = await service.ingestEvent({ eventId: "hangs", type: "hang", payload: fifo });
  const tooLate = { code: Code.DeadlineExceeded };
  await vi.waitFor(
    () => expect(service.getStatus({ jobId }, { timeoutMs: 500 })).rejects.toMatchObject(tooLate),
    20_000,
  );

  const start = performance.now();
  await server.stop();
  expect(performance.now() - start).toBeLessThan(promised);
  expect(server.child.signalCode).toBe("SIGKILL");
  expect(server.log.at(-1)).toMatchObject({ msg: "the drain took too long, the rest is cut" });
});

describe("on a disk that takes nothing any more", needs("strace"), () => {
  test("the server ends as promised, and says that something was cut", async () => {
    using dir = tempDir();
    const wrapper = injecting("fsync:error=EIO:when=20+", [`${dir.path}/events.db-wal`]);
    const HANDLERS = `${root}test/support/blocking-handlers.ts`;
    const env = { STORE_URL: `sqlite:${dir.path}/events.db`, HANDLERS, BLOCK: "1" };
    await using server = await startServer({ env, wrapper });
    const service = connect(server.url);
    const isStored = async (eventId: string) =>
      service.ingestEvent({ eventId, payload: "x" }).then(
        () => true,
        () => false,
      );
    let sent = 0;
    while (await isStored(`${sent++}`)) expect(sent).toBeLessThan(20);

    const start = performance.now();
    expect(await server.stop()).toBe(1);
    expect(performance.now() - start).toBeLessThan(promised - 1000);
    expect(server.log).toContainEqual(expect.objectContaining({ msg: "drained", forced: false }));
  });
});
