import { type ClientHttp2Stream, connect } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { Echo } from "../testing/echo.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";

/** An open request whose body has not ended. */
function start({ baseUrl }: TestServer, path: string): ClientHttp2Stream {
  const session = connect(baseUrl);
  onTestFinished(() => session.destroy());
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc" };
  return session.request(headers).on("error", () => undefined);
}

const closed = (stream: ClientHttp2Stream) =>
  new Promise<void>((resolve) => stream.once("close", () => resolve()));

const codes = { NO_ERROR: 0, REFUSED_STREAM: 7, ENHANCE_YOUR_CALM: 11 };

test.each(["/test.Echo/Say", "/test.Echo/Count"])(
  "HTTP/2: a body that trickles to %s is cut",
  async (path) => {
    const server = await startServer({ limits: { headersMs: 300, receiveMs: 300 } });
    const stream = start(server, path);
    const trickle = setInterval(() => stream.write("\0"), 50);
    onTestFinished(() => clearInterval(trickle));
    await closed(stream);
    expect(stream.rstCode).toBe(codes.ENHANCE_YOUR_CALM);
    expect(server.events).toEqual(["receive-deadline"]);
  },
);

test("HTTP/2: a stream of requests may take longer, and so may an answer", async () => {
  const hold = Promise.withResolvers<void>();
  const server = await startServer({
    limits: { headersMs: 100, receiveMs: 100 },
    echo: {
      async *count(message) {
        await hold.promise;
        yield message;
      },
    },
  });
  const client = createClient(Echo, createGrpcTransport({ baseUrl: server.baseUrl }));
  const first = Promise.withResolvers<void>();
  async function* questions() {
    yield { value: "1" };
    await first.promise;
    await hold.promise;
    yield { value: "2" };
  }
  const answers: string[] = [];
  const chat = (async () => {
    for await (const { value } of client.chat(questions())) {
      answers.push(value);
      first.resolve();
    }
  })();
  const count = (async () => {
    for await (const { value } of client.count({ value: "late" })) answers.push(value);
  })();
  await first.promise;
  setTimeout(hold.resolve, 500);
  await Promise.all([chat, count]);
  expect(answers.toSorted()).toEqual(["1", "2", "late"]);
  expect(server.events).toEqual([]);
});

test("HTTP/2: a plain path may answer later than that, though it never reads its empty request", async () => {
  const server = await startServer({
    limits: { headersMs: 100, receiveMs: 100 },
    adapter: { fallback: (_, response) => void setTimeout(() => response.end("late"), 300) },
  });
  const session = connect(server.baseUrl);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/page" });
  let body = "";
  stream.on("data", (chunk: Buffer) => (body += chunk.toString()));
  await closed(stream);
  expect([body, stream.rstCode]).toEqual(["late", codes.NO_ERROR]);
});

test("HTTP/2: a stream of requests that goes on after its answer is ended", async () => {
  const server = await startServer({
    echo: {
      async *chat() {
        yield { value: "no questions" };
      },
    },
  });
  const stream = start(server, "/test.Echo/Chat");
  stream.resume();
  await closed(stream);
  expect(stream.rstCode).toBe(codes.NO_ERROR);
});

test("at the end of a drain, what is still being received is refused, over both protocols", async () => {
  const server = await startServer();
  const stream = start(server, "/test.Echo/Say");
  stream.write("\0");
  const raw = await openRaw(server);
  raw.write(
    "POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n",
  );
  // The server has seen both once it has answered others.
  const client = createClient(Echo, createGrpcTransport({ baseUrl: server.baseUrl }));
  await client.say({ value: "x" });
  await vi.waitFor(async () => {
    const third = await openRaw(server);
    third.write("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    await third.closed;
  });
  server.listener.stop();
  server.shutdown.abort();
  await server.listener.closed;
  await raw.closed;
  expect(stream.rstCode).toBe(codes.REFUSED_STREAM);
  expect(server.failures).toEqual([]);
});
