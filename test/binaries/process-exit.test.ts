import { expect, test, vi } from "vitest";
import { connect, ingest, jobsByState } from "../support/event-service.ts";
import { root, startServer, startWorker } from "../support/server-process.ts";

const HANDLERS = `${root}test/support/handlers.ts`;

test.for([
  ["event-server", "0", 70],
  ["event-server", "3", 3],
  ["event-worker", "0", 70],
] as const)(
  "%s tells that a handler ended it with process.exit(%s), where, and what else ran, and exits with %i",
  async ([name, code, exitCode]) => {
    const inServer = name === "event-server";
    await using server = await startServer({
      env: { STORE_URL: "sqlite::memory:", ...(inServer && { HANDLERS }) },
    });
    const ending = inServer ? server : startWorker(server.url, { HANDLERS });
    await using _ = ending;
    const forever = await ingest(server.url, "forever");
    await vi.waitFor(async () => expect(await jobsByState(server.url)).toMatchObject({ RUNNING: 1 }), 20_000);
    // The server cannot answer this call when it ends.
    const exit = connect(server.url).ingestEvent({ eventId: "exit", type: "exit", payload: code });
    await exit.catch(() => undefined);
    expect(await ending.stopped).toBe(exitCode);
    expect(ending.log.at(-1)).toMatchObject({
      level: 60,
      msg: "something in this process ended it, for example process.exit() in a handler",
      stack: expect.stringContaining("handlers.ts:20"),
      running: 2,
      attempts: [
        { jobId: forever, type: "forever", attempt: 1 },
        { type: "exit", attempt: 1 },
      ],
    });
    expect(ending.stderr()).toBe("");
  },
);
