import { createServer as createHttp1Server, type ServerResponse } from "node:http";
import { createServer, type Http2ServerResponse } from "node:http2";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "@event-ingestion/needs";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer as createEventServer } from "@event-ingestion/server";
import { setup, start } from "./testing/event-command.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe("event ingest", () => {
  test("sends an event", async () => {
    const { event, store } = await setup();
    const { code, stdout, stderr } = await event(["ingest", "-t", "order.created", "-d", '{"id":1}']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const result: { job_id: string; event_id: string } = JSON.parse(stdout);
    expect(result).toMatchObject({
      job_id: expect.stringMatching(uuid),
      event_id: expect.stringMatching(uuid),
      outcome: "ACCEPTED",
    });
    const job = await store.getDetail(result.job_id);
    expect(job).toMatchObject({ eventId: result.event_id, type: "order.created" });
    expect(Buffer.from(job?.payload ?? []).toString()).toBe('{"id":1}');
  });

  test("stores an id once, and says that another event had it", async () => {
    const { event } = await setup();
    const ingest = (data: string) => event(["ingest", "--output", "text", "--id", "mine", "--data", data]);
    const first = await ingest("a");
    const second = await ingest("a");
    const third = await ingest("b");
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+ accepted\n$/) });
    expect(second).toMatchObject({ code: 0, stdout: first.stdout.replace("accepted", "accepted before") });
    expect(third).toMatchObject({
      code: 2,
      stdout: "mine rejected: event_id already used with a different payload\n",
    });
  });

  test.each(["grpc", "connect", "grpc-web"])(
    "--wait waits until it is processed, over %s",
    async (protocol) => {
      const { event } = await setup({ worker: true });
      const args = ["ingest", "--wait", "--protocol", protocol, "--output", "text", "-d", "x"];
      const done = await event(args);
      expect(done).toMatchObject({ code: 0, stderr: "" });
      expect(done.stdout).toMatch(/^\S+ done in \S+ m?s: got x\n$/);
      const failed = await event([...args, "-t", "fail"]);
      expect(failed.code).toBe(1);
      expect(failed.stdout).toMatch(/^\S+ failed in \S+ m?s: no good\n$/);
    },
  );

  test("--wait outlives a restart of the server", async () => {
    const { begin, store, server, address } = await setup();
    const { child, ended } = begin("ingest", "--wait", "-d", "x");
    const queued = async () => (await store.counts()).byState.QUEUED;
    await expect.poll(queued, { timeout: 15_000 }).toBe(1);
    await server.close();
    const [note] = child.stderr === null ? [] : await once(child.stderr, "data");
    expect(note).toMatch(/; trying again\n$/);
    const session = await store.openSession("test", 60_000);
    const [job] = await store.claim(session, 1);
    if (job === undefined) throw new Error("no job");
    await store.settle(session, [{ jobId: job.jobId, attempt: job.attempt, as: "succeeded" }]);
    // Longer than a command that sends would have tried.
    await sleep(2000);
    await using again = createEventServer({ store, port: Number(address.split(":")[1]), graceMs: 100 });
    await again.listen();
    expect(await ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"status":"done"') });
  });

  test("--wait that ends early tells the job, which goes on", async () => {
    const { event, store } = await setup();
    const { code, stdout, stderr } = await event([
      "ingest",
      "--wait",
      "--timeout",
      "300ms",
      "--id",
      "e",
      "-d",
      "x",
    ]);
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    const [jobId] = await store.find("", ["e"]);
    expect(stderr).toContain(
      `${jobId} accepted, but not seen to its end; ask again with event status ${jobId}\n`,
    );
  });

  test("takes the event from stdin or a file, byte by byte", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "event.txt"), "é\n");
    const payloadOf = async (stdout: string) => {
      const { job_id }: { job_id: string } = JSON.parse(stdout);
      return Buffer.from((await store.getDetail(job_id))?.payload ?? []).toString();
    };
    expect(await payloadOf((await event(["ingest", "-d", "-"], "from stdin\n")).stdout)).toBe("from stdin\n");
    expect(await payloadOf((await event(["ingest", "-d", "@event.txt"])).stdout)).toBe("é\n");
    expect(await event(["ingest", "-d", "-"], Buffer.from([0xff]))).toMatchObject({
      code: 4,
      stderr: "event: stdin is not UTF-8\n  a payload is text; encode other bytes, as base64 for example\n",
    });
  });

  test("a field over its limit is the caller's mistake", async () => {
    const { event } = await setup();
    expect(await event(["ingest", "-d", "x", "--id", "i".repeat(129)])).toEqual({
      code: 4,
      stdout: "",
      stderr: "event: event_id must be at most 128 bytes, got 129\n  see event ingest --help\n",
    });
  });
});

test.each(["grpc", "connect", "grpc-web"])(
  "an event that no server takes is wrong use, over %s",
  async (protocol) => {
    const { event, folder } = await setup();
    writeFileSync(join(folder, "large"), "x".repeat(5 * 1024 * 1024));
    const { code, stdout, stderr } = await event(["ingest", "-d", "@large", "--protocol", protocol]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
    expect(stderr).toMatch(
      /^event: \S+ refused: .*\n {2}a batch may have 4 MiB, the payload of an event 1 MiB; .*\n$/,
    );
  },
);

describe("event status", () => {
  test("tells of jobs in the order asked for; exit code 3 if one is unknown", async () => {
    const { event } = await setup({ worker: true });
    const { stdout } = await event(["ingest", "--wait", "-d", "x"]);
    const { job_id: id }: { job_id: string } = JSON.parse(stdout);
    const known = await event(["status", id, "--output", "text"]);
    expect(known.code).toBe(0);
    expect(known.stdout).toMatch(new RegExp(`^${id} done in \\S+ m?s: got x\\n$`));
    const lines = await event(["status", "unknown", id]);
    expect(lines.code).toBe(3);
    expect(
      lines.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { status: "not found", job_id: "unknown" },
      { status: "done", job_id: id, state: "JOB_STATE_SUCCEEDED", result: "got x" },
    ]);
    const json = await event(["status", id, "--output", "json"]);
    expect(JSON.parse(json.stdout)).toMatchObject([{ job_id: id }]);
  });

  test.each(["grpc", "grpc-web", "connect"])(
    "--watch tells of each change until the end, over %s",
    async (protocol) => {
      const { event, begin, store } = await setup();
      const { stdout } = await event(["ingest", "-d", "x"]);
      const { job_id: id }: { job_id: string } = JSON.parse(stdout);
      const { child, ended } = begin("status", "--watch", id, "--protocol", protocol);
      const session = await store.openSession("worker", 30_000);
      child.stdout?.once("data", async () => {
        const [leased] = await store.claim(session, 1);
        if (leased !== undefined) await store.settle(session, [{ ...leased, as: "dead", error: "no" }]);
      });
      const lines = (await ended).stdout.trim().split("\n");
      const states = lines.map((line): string => JSON.parse(line).state);
      expect(states.at(0)).toBe("JOB_STATE_QUEUED");
      expect(states.at(-1)).toBe("JOB_STATE_DEAD");
    },
  );

  test("--watch of an id that is unknown has exit code 3, of too many a reason", async () => {
    const { event } = await setup();
    expect(await event(["status", "--watch", "unknown", "--output", "text"])).toMatchObject({
      code: 3,
      stdout: "unknown not found\n",
    });
    const ids = Array.from({ length: 51 }, (_, n) => `job-${n}`);
    expect(await event(["status", "--watch", ...ids])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("--watch takes at most 50 ids, got 51"),
    });
  });

  test("does not mind a reader that has seen enough", async () => {
    const { begin } = await setup();
    const { child, ended } = begin("status", ...Array.from({ length: 2000 }, (_, n) => `job-${n}`));
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ code: 3, stderr: "" });
  });
});

test("event demo sends events and waits until they are processed", async () => {
  const { event, store } = await setup({ worker: true });
  const { code, stdout, stderr } = await event(["demo", "--count", "9"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^9 events sent in .*\n$/);
  const rows: { done: number }[] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rows).toHaveLength(4);
  expect(rows[0]).toMatchObject({ type: "user.signup", sent: 3, done: 3, failed: 0, processing: 0 });
  expect(rows.reduce((sum, { done }) => sum + done, 0)).toBe(9);
  expect((await store.counts()).byState.SUCCEEDED).toBe(9);
});

test("a reader of stderr may go, too", async () => {
  const { begin } = await setup({ worker: true });
  const { child, ended } = begin("demo", "--count", "1");
  child.stderr?.destroy();
  expect(await ended).toMatchObject({ code: 0 });
});

test("output that a full disk does not take is an error", needs("/dev/full"), async () => {
  const { address } = await setup();
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  const ended = await start(["ingest", "-d", "x"], { env: { SERVER_ADDRESS: address }, stdout: full }).ended;
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/^event: the output is lost: ENOSPC/);
});

test("event demo says when nobody processes its events", async () => {
  const { event } = await setup();
  const { code, stderr } = await event(["demo", "--count", "1", "--timeout", "300ms"]);
  expect(code).toBe(5);
  expect(stderr).toContain("is a worker running?");
});

/** A server that answers every call with this status of gRPC. */
async function refusing(status: string, message: string): Promise<string> {
  const server = createServer((_request, response) => {
    const trailers = { "grpc-status": status, "grpc-message": message };
    response.writeHead(200, { "content-type": "application/grpc", ...trailers }).end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

function tooLarge(_request: unknown, response: ServerResponse | Http2ServerResponse): void {
  Object.assign(response, { statusCode: 413 }).end();
}

describe("an error", () => {
  test.each(["grpc", "connect", "grpc-web"])(
    "of a proxy that accepts no request of this size says what to do, over %s",
    async (protocol) => {
      const server = (protocol === "grpc" ? createServer(tooLarge) : createHttp1Server(tooLarge)).listen(
        0,
        "127.0.0.1",
      );
      onTestFinished(() => void server.close());
      await once(server, "listening");
      const bound = server.address();
      const address = `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
      const args = ["ingest", "-d", "x", "--server", address, "--protocol", protocol];
      expect(await start(args).ended).toEqual({
        code: 4,
        stdout: "",
        stderr: `event: a proxy before ${address} accepts no request of this size (HTTP 413)
  send less in one call, as with --batch 100, or raise the limit of the proxy for bodies (nginx: client_max_body_size)
`,
      });
    },
  );

  test("of the server is not taken for a wrong address", async () => {
    const address = await refusing("13", "internal error 7f3a");
    expect(await start(["status", "x", "--server", address]).ended).toEqual({
      code: 1,
      stdout: "",
      stderr: `event: ${address} failed: internal error 7f3a\n  the log of the server says more; the same command may be repeated\n`,
    });
  });

  test("of TLS says how to do without", async () => {
    const address = `https://${await refusing("13", "unseen")}`;
    const { code, stderr } = await start(["status", "x", "--server", address]).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`event: no TLS with ${address}: `);
    expect(stderr).toContain("\n  name a server without TLS with --server http://host:port\n");
  });

  test("is one line and a hint: nothing listens", async () => {
    const env = { SERVER_ADDRESS: "localhost:1" };
    expect(await start(["status", "x"], { env }).ended).toEqual({
      code: 5,
      stdout: "",
      stderr:
        "event: nothing listens on localhost:1\n  start a server with `pnpm dev`, or name another one with --server\n",
    });
  });

  test("of the options are told all at once, before anything is sent", async () => {
    const args = ["ingest", "--file", "x", "-d", "y", "--batch", "0", "--rate", "fast", "--protocol", "http"];
    expect(await start(args).ended).toEqual({
      code: 4,
      stdout: "",
      stderr: `event: --protocol must be one of grpc, connect, grpc-web, got "http"
event: --data cannot go with --file
event: --batch must be a whole number from 1 to 1000, got "0"
event: --rate must be a rate such as 500/s or 1000/m, got "fast"
  see event --help
`,
    });
  });

  test.each([
    [["ingest"], "event: an event needs --data, many events need --file\n  see event --help\n"],
    [["ingest", "-d", "x", "--rate", "5/s"], "event: --rate cannot go without --file\n  see event --help\n"],
    [
      ["ingest", "--file", "a.csv", "--array", "--format", "csv", "--delimiter", "ab", "--name", ""],
      "event: --name must not be empty\nevent: --array cannot go with --format\nevent: --delimiter cannot go without CSV",
    ],
    [
      ["ingest", "--file", "a.csv", "--delimiter", "ab", "--rejects", "./s", "--resume", "s"],
      `event: --rejects must name another file than --resume
event: --delimiter must be one ASCII character such as ";", or tab, got "ab"\n`,
    ],
    [
      ["ingest", "http://me:sec'ret@host"],
      "event: too many arguments for 'ingest'. Expected 0 arguments but got 1: http://***@host.\n",
    ],
    [
      ["ingest", "--file", "http://me:secret@host/a.csv"],
      "event: ENOENT: no such file or directory, open 'http://***@host/a.csv'\n",
    ],
    [
      ["status", "x", "--protocol", "http://me:secret@host"],
      'event: --protocol must be one of grpc, connect, grpc-web, got "http://***@host"\n',
    ],
    [["status"], "event: missing required argument 'id'\n  see event --help\n"],
    [["frobnicate"], "event: unknown command 'frobnicate'\n  see event --help\n"],
    [
      ["ingest", "--file", "/does/not/exist"],
      "event: ENOENT: no such file or directory, open '/does/not/exist'\n",
    ],
  ])("%o is wrong use", async (args, stderr) => {
    const ended = await start(args).ended;
    expect(ended).toMatchObject({ code: 4, stdout: "" });
    expect(ended.stderr.startsWith(stderr)).toBe(true);
  });
});

test("the credential is sent, and a refusal says where it comes from", async () => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(200, {
      "content-type": "application/grpc",
      "grpc-status": "16",
      "grpc-message": "who",
    });
    response.end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const env = { EVENT_TOKEN: "secret", SERVER_ADDRESS: `127.0.0.1:${port}` };
  const ended = await start(["status", "x"], { env }).ended;
  expect(seen).toEqual(["Bearer secret"]);
  expect(ended).toEqual({
    code: 4,
    stdout: "",
    stderr: `event: 127.0.0.1:${port} refused: who\n  put a credential into EVENT_TOKEN, or into a file named by EVENT_TOKEN_FILE\n`,
  });
});

test("help names the exit codes, for every command the global options", async () => {
  const help = await start(["--help"]).ended;
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain("130  interrupted");
  const ingest = await start(["ingest", "--help"]).ended;
  expect(ingest.stdout).toContain("--server <address>");
  expect(ingest.stdout).toContain("What a record becomes:");
});
