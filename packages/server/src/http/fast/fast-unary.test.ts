import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Echo } from "../testing/echo.ts";
import { openPoster } from "../testing/post-raw.ts";
import { startServer, type TestServer, type TestServerOptions } from "../testing/test-server.ts";

const grpcMessage = Buffer.from("00000000030a0178", "hex");
const transports = [
  ["gRPC", (server: TestServer) => createGrpcTransport(server)],
  ["Connect over HTTP/2", (server: TestServer) => createConnectTransport({ ...server, httpVersion: "2" })],
  [
    "Connect over HTTP/1.1",
    (server: TestServer) => createConnectTransport({ ...server, httpVersion: "1.1" }),
  ],
] as const;

const refuse = () => Promise.reject(new ConnectError("no", Code.NotFound));

/** Says in a header what it saw. */
const seeing: Interceptor = (next) => async (request) => {
  const { service, method, stream, url } = request;
  const response = await next(request);
  response.header.set("x-seen", [service.typeName, method.name, stream, new URL(url).pathname].join(" "));
  return response;
};

/** Keeps the contexts of calls of Say, which answer when told to. */
async function startHolding(options: TestServerOptions = {}) {
  const contexts: HandlerContext[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const server = await startServer({
    ...options,
    echo: {
      async say(message, context) {
        contexts.push(context);
        await released;
        context.signal.throwIfAborted();
        return message;
      },
    },
  });
  const arrived = () => vi.waitFor(() => expect(contexts).not.toEqual([]), 10_000);
  return { server, contexts, release, arrived };
}

function post({ baseUrl }: TestServer, fields: Record<string, string> = {}): ClientHttp2Stream {
  const session = connect(baseUrl);
  onTestFinished(() => session.destroy());
  const head = { ":method": "POST", ":path": "/test.Echo/Say", "content-type": "application/grpc" };
  return session.request({ ...head, ...fields }).on("error", () => undefined);
}

const closed = (stream: ClientHttp2Stream) =>
  new Promise<number | undefined>((resolve) => stream.once("close", () => resolve(stream.rstCode)));

test("a call that looks at its signal only once the server has stopped waiting is told so", async () => {
  const { server, release, arrived } = await startHolding();
  const call = createClient(Echo, createGrpcTransport(server)).say({ value: "x" });
  await arrived();
  server.shutdown.abort(new ConnectError("shutting down", Code.Unavailable));
  release();
  await expect(call).rejects.toThrow("[unavailable] shutting down");
});

test.each([
  [true, { headers: { "grpc-status": "5" }, trailers: {} }],
  [false, { headers: {}, trailers: { "grpc-status": "5" } }],
])(
  "fastPath %s says who serves: an error over gRPC is one header, or comes after one",
  async (fastPath, answer) => {
    const server = await startServer({ echo: { say: refuse }, adapter: { fastPath } });
    expect(
      await openPoster(server)("/test.Echo/Say", { "content-type": "application/grpc" }, grpcMessage),
    ).toMatchObject({ outcome: "not_found", ...answer });
  },
);

describe.each(transports)("%s", (_, createTransport) => {
  test("the signal is not aborted while a call is handled, and is when it is over", async () => {
    const { server, contexts, release, arrived } = await startHolding();
    const answer = createClient(Echo, createTransport(server)).say({ value: "x" });
    await arrived();
    const [context] = contexts;
    expect([context?.signal.aborted, context?.timeoutMs()]).toEqual([false, undefined]);
    release();
    expect(await answer).toMatchObject({ value: "x" });
    expect(context?.signal.aborted).toBe(true);
  });

  test("a client that goes away aborts its call, which then is no bug", async () => {
    const { server, contexts, release, arrived } = await startHolding();
    const aborter = new AbortController();
    const call = createClient(Echo, createTransport(server)).say({ value: "x" }, { signal: aborter.signal });
    await arrived();
    const [context] = contexts;
    const aborted = context && once(context.signal, "abort");
    aborter.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await aborted;
    // Connect says no more than AbortError over HTTP/1.1.
    const code: unknown = expect.toBeOneOf([Code.Canceled, DOMException.ABORT_ERR]);
    expect(context?.signal.reason).toMatchObject({ code });
    release();
    server.listener.stop();
    await server.listener.closed;
    expect(server.failures).toEqual([]);
  });

  test("shutdown aborts calls, with its reason", async () => {
    const { server, contexts, arrived } = await startHolding();
    const call = createClient(Echo, createTransport(server)).say({ value: "x" });
    call.catch(() => undefined);
    await arrived();
    const [context] = contexts;
    const { signal } = context ?? new AbortController();
    server.shutdown.abort(new ConnectError("closing", Code.Unavailable));
    expect(signal.reason).toMatchObject({ code: Code.Unavailable });
  });

  test("a gate may wait, sees the header, and adds to the answer", async () => {
    const seen: unknown[] = [];
    const server = await startServer({
      adapter: {
        async requestGate({ method, requestHeader, responseHeader }) {
          await sleep(20);
          seen.push(method.name, requestHeader.get("authorization"));
          responseHeader.set("x-gate", "passed");
        },
      },
    });
    let gate: string | null = null;
    const client = createClient(Echo, createTransport(server));
    await client.say(
      { value: "x" },
      { headers: { authorization: "me" }, onHeader: (got) => (gate = got.get("x-gate")) },
    );
    expect([seen, gate]).toEqual([["Say", "me"], "passed"]);
  });

  test("interceptors see the call and may change it, and handlers then may copy their context", async () => {
    const server = await startServer({
      adapter: { interceptors: [seeing] },
      echo: {
        say: (_message, context) => ({
          value: Object.keys({ ...context })
            .toSorted()
            .join(" "),
        }),
      },
    });
    let header = "";
    const client = createClient(Echo, createTransport(server));
    const { value } = await client.say({}, { onHeader: (got) => (header = got.get("x-seen") ?? "") });
    expect(header).toBe("test.Echo Say false /test.Echo/Say");
    for (const name of ["signal", "requestHeader", "responseTrailer", "values", "timeoutMs"])
      expect(value.split(" ")).toContain(name);
  });
});

test.each([
  ["gRPC", { "content-type": "application/grpc", "grpc-timeout": "100m" }, grpcMessage],
  ["Connect", { "content-type": "application/json", "connect-timeout-ms": "100" }, '"x"'],
])("%s: a deadline aborts the call, and is its answer", async (_, fields, body) => {
  const left: (number | undefined)[] = [];
  const server = await startServer({
    echo: {
      async say(_message, { signal, timeoutMs }) {
        left.push(timeoutMs());
        if (!signal.aborted) await once(signal, "abort");
        left.push(timeoutMs());
        throw signal.reason;
      },
    },
  });
  expect(await openPoster(server)("/test.Echo/Say", fields, body)).toMatchObject({
    outcome: "deadline_exceeded",
  });
  expect(left[0]).toBeLessThanOrEqual(100);
  // Connect reckons with the wall clock's whole milliseconds, timers with another clock.
  expect(left[1]).toBeLessThanOrEqual(1);
});

test("a request that goes on after it was answered sees the answer, and is ended without an error", async () => {
  // Connect lets it go on until its time is over.
  const server = await startServer({ limits: { readMaxBytes: 1000 }, adapter: { fastPath: true } });
  const stream = post(server);
  const trickle = setInterval(() => stream.write(Buffer.alloc(100)), 20);
  onTestFinished(() => clearInterval(trickle));
  stream.write(Buffer.from([0, 0, 0, 0xff, 0xff]));
  const [header] = await once(stream, "response");
  expect(header).toMatchObject({ "grpc-status": "8" });
  stream.resume();
  expect(await closed(stream)).toBe(0);
  expect(server.events).toEqual([]);
});

test("a call that is reset while its gate waits is not handled", async () => {
  const waiting = Promise.withResolvers<AbortSignal>();
  const gate = Promise.withResolvers<void>();
  const say = vi.fn<() => { value: string }>(() => ({ value: "" }));
  const requestGate = ({ signal }: HandlerContext) => {
    waiting.resolve(signal);
    return gate.promise;
  };
  const server = await startServer({ echo: { say }, adapter: { requestGate } });
  const stream = post(server);
  stream.end(grpcMessage);
  const signal = await waiting.promise;
  stream.close(8);
  await once(signal, "abort");
  gate.resolve();
  server.listener.stop();
  await server.listener.closed;
  expect(say).not.toHaveBeenCalled();
  expect(server.failures).toEqual([]);
});

test("an rpc that is registered with options of its own is left to connect", async () => {
  const server = await startServer({
    adapter: { routes: (router) => void router.rpc(Echo.method.say, refuse, { readMaxBytes: 10 }) },
  });
  const { headers, trailers } = await openPoster(server)(
    "/test.Echo/Say",
    { "content-type": "application/grpc" },
    grpcMessage,
  );
  expect([headers["grpc-status"], trailers["grpc-status"]]).toEqual([undefined, "5"]);
});
