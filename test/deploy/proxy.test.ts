import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { Outcome } from "@event-ingestion/api";
import { needs } from "@event-ingestion/needs";
import { type PostgresServer, postgresOf, startPostgres } from "@event-ingestion/store-postgres/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connect, statusOf } from "../support/event-service.ts";
import { askAgain, startProducers } from "../support/producers.ts";
import { type ProxiedServers, startProxy } from "../support/proxied-servers.ts";
import { root, type ServerProcess } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { protocols } from "../support/transports.ts";

// deploy/haproxy.cfg, as docker-compose.yml runs it, in front of two servers that share a store.

describe("behind haproxy, over one Postgres", needs("linux", "haproxy", await postgresOf()), () => {
  let postgres: PostgresServer;
  let proxy: ProxiedServers;
  let first: ServerProcess;
  let second: ServerProcess;
  let frozen: ReturnType<typeof freezeOne>;
  beforeAll(async () => {
    // Takes half a minute, and the other tests meanwhile.
    frozen = freezeOne();
    frozen.catch(() => undefined);
    postgres = await startPostgres();
    proxy = await startProxy({ STORE_URL: await postgres.createDatabase(), LAME_DUCK_MS: "5000" });
    [first, second] = await Promise.all([proxy.start("127.0.0.2"), proxy.start("127.0.0.3")]);
    await untilBothServe();
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    // Its processes end with it, also when its test was left out.
    await frozen.catch(() => undefined);
  }, 60_000);

  /** Sends events until each of the two has accepted one. */
  async function untilBothServe(): Promise<void> {
    const before = await Promise.all([accepted(first), accepted(second)]);
    const service = connect(proxy.url);
    await vi.waitFor(
      async () => {
        await service.ingestEvent({ eventId: crypto.randomUUID() });
        const now = await Promise.all([accepted(first), accepted(second)]);
        for (const [index, count] of now.entries()) expect(count).toBeGreaterThan(before[index] ?? 0);
      },
      { timeout: 20_000, interval: 50 },
    );
  }

  test.each(protocols)("$name passes, and its calls go to both servers", async ({ name, connect: over }) => {
    const service = connect(proxy.url, over(proxy.url));
    const before = await Promise.all([accepted(first), accepted(second)]);
    const events = Array.from({ length: 20 }, (_, index) => ({
      eventId: `${name}-${index}`,
      payload: "x",
    }));
    const answers = await Promise.all(events.map((event) => service.ingestEvent(event)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(events.map(() => Outcome.ACCEPTED));
    const after = await Promise.all([accepted(first), accepted(second)]);
    for (const [index, count] of after.entries()) expect(count).toBeGreaterThan(before[index] ?? 0);
  });

  test("a stream in both directions passes: buf curl learns the schema by reflection", async () => {
    const url = `${proxy.url}/event.EventService/IngestEvent`;
    const data = JSON.stringify({ event_id: "buf", payload: "hello" });
    const flags = ["--protocol", "grpc", "--http2-prior-knowledge", "--data", data];
    const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/buf`, ["curl", ...flags, url]);
    expect(JSON.parse(stdout)).toMatchObject({ accepted: true });
  });

  test("a stream of batches passes, each answered before the next is sent", async () => {
    let answered = Promise.withResolvers<void>();
    async function* batches() {
      for (let batch = 0; batch < 3; batch++) {
        yield { events: [{ eventId: `stream-${batch}`, payload: "x" }] };
        await answered.promise;
        answered = Promise.withResolvers();
      }
    }
    const outcomes: Outcome[] = [];
    for await (const { results } of connect(proxy.url).ingestStream(batches())) {
      outcomes.push(...results.map(({ outcome }) => outcome));
      answered.resolve();
    }
    expect(outcomes).toEqual([Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.ACCEPTED]);
  });

  test("a payload of the size limit passes, and a larger one is refused by the server", async () => {
    const service = connect(proxy.url);
    const payload = "x".repeat(1024 * 1024);
    expect(await service.ingestEvent({ eventId: "large", payload })).toMatchObject({ accepted: true });
    await expect(service.ingestEvent({ eventId: "larger", payload: `${payload}x` })).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
  });

  test("with a certificate it speaks TLS, HTTP/1.1 and HTTP/2 on one port", needs("openssl"), async () => {
    using dir = tempDir();
    const [certificate, ca] = makeCertificate(dir.path);
    await using secure = await startProxy({ STORE_URL: "sqlite::memory:" }, certificate);
    await secure.start("127.0.0.4");
    const { url: baseUrl } = secure;
    const nodeOptions = { ca };
    const transports = [
      createGrpcTransport({ baseUrl, nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
      createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
    ];
    await vi.waitFor(
      async () => {
        const service = connect(baseUrl, transports[0]);
        expect(await service.ingestEvent({ eventId: "tls" })).toMatchObject({ accepted: true });
      },
      { timeout: 20_000, interval: 100 },
    );
    for (const transport of transports) {
      const answer = await connect(baseUrl, transport).ingestEvent({ eventId: "tls" });
      expect(answer.outcome).toBe(Outcome.DUPLICATE);
    }
  });

  test("a server that stops costs no call, one that is killed costs a retry", async () => {
    const producers = startProducers(proxy.url);
    await producers.accepted(200);

    expect(await first.stop("SIGTERM")).toBe(0);
    expect(proxy.log()).toMatch(/ is DOWN, reason: Layer7 wrong status, code: 503/);
    await producers.accepted(200);
    expect(producers.retries).toEqual([]);

    first = await proxy.start("127.0.0.2");
    await untilBothServe();
    await second.stop("SIGKILL");
    await producers.accepted(1000);
    second = await proxy.start("127.0.0.3");
    await untilBothServe();
    await producers.stop();
    expect(await askAgain(proxy.url, [...producers.jobs.keys()])).toEqual([...producers.jobs.values()]);
  });

  test("a frozen server answers when it goes on, after more than 30 s; the others do not wait for it", async () => {
    const { waitedMs, othersDoneMs } = await frozen;
    expect(waitedMs.filter((ms) => ms > 30_000).length).toBeGreaterThan(0);
    expect(waitedMs.filter((ms) => ms < 25_000).length).toBeGreaterThan(0);
    expect(othersDoneMs).toBeLessThan(25_000);
  });

  test("without any server every client is told at once to call again", async () => {
    await Promise.all([first.stop("SIGKILL"), second.stop("SIGKILL")]);
    await vi.waitFor(async () => expect(await statusOf(proxy.url, "/readyz")).toBe(503), 20_000);
    const answer = await fetch(new URL("/readyz", proxy.url));
    expect(answer.headers.get("retry-after")).toBe("1");
    for (const { connect: over } of protocols) {
      const event = { eventId: "nobody", payload: "x".repeat(10_000) };
      const error = await connect(proxy.url, over(proxy.url))
        .ingestEvent(event)
        .catch((reason: unknown) => ConnectError.from(reason));
      expect(error).toMatchObject({ code: Code.Unavailable });
    }
  });
});

/** Stops one of two servers for 31 s, with calls on both. When each was answered, and those that were sent later. */
async function freezeOne(): Promise<{ waitedMs: number[]; othersDoneMs: number }> {
  await using proxy = await startProxy({ STORE_URL: "sqlite::memory:" });
  const first = await proxy.start("127.0.0.5");
  await proxy.start("127.0.0.6");
  const service = connect(proxy.url, createGrpcTransport({ baseUrl: proxy.url }));
  await vi.waitFor(() => expect(proxy.log()).toMatch(/server2 .* is UP/), 20_000);

  let start = performance.now();
  const send = (eventId: string) => service.ingestEvent({ eventId }).then(() => performance.now() - start);
  // A call on a connection that is not open yet would go to the other server.
  await Promise.all(Array.from({ length: 20 }, (_, index) => send(`warm-${index}`)));
  first.child.kill("SIGSTOP");
  start = performance.now();
  const waiting = Array.from({ length: 8 }, (_, index) => send(`early-${index}`));
  await vi.waitFor(() => expect(proxy.log()).toMatch(/ is DOWN, reason: Layer7 timeout/), 20_000);
  const later = await Promise.all(Array.from({ length: 20 }, (_, index) => send(`late-${index}`)));
  await sleep(31_000 - (performance.now() - start));
  first.child.kill("SIGCONT");
  return { waitedMs: await Promise.all(waiting), othersDoneMs: Math.max(...later) };
}

/** For localhost: a file with certificate and key, and the certificate, which is its own authority. */
function makeCertificate(folder: string): [file: string, ca: string] {
  const [file, key, certificate] = [`${folder}/both.pem`, `${folder}/key.pem`, `${folder}/certificate.pem`];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  const ca = readFileSync(certificate, "utf8");
  writeFileSync(file, ca + readFileSync(key, "utf8"));
  return [file, ca];
}

/** How many events a server has accepted by itself. */
async function accepted({ url }: ServerProcess): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^event_accepted_total (\d+)$/m.exec(text)?.[1]);
}
