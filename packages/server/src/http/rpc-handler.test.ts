import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createConnectTransport } from "@connectrpc/connect-node";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { Echo } from "./testing/echo.ts";
import { openPoster } from "./testing/post-raw.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { seededRandom } from "./testing/random.ts";
import { protocols } from "./testing/protocols.ts";
import { startServer } from "./testing/test-server.ts";

const secret = "4111-1111";

function bug(): never {
  throw new Error(secret);
}

const postOf = (type: string) => ({ method: "POST", headers: { "content-type": type }, body: "{}" });

async function* chatter(...values: string[]) {
  for (const value of values) yield { value };
}

test.each(protocols)(
  "%s: messages of each kind arrive, compressed too, and are not to be stored",
  async (_, create) => {
    const server = await startServer();
    const caching: (string | null)[] = [];
    const transport = create(server, {
      sendCompression: compressionGzip,
      interceptors: [
        (next) => async (request) => {
          const response = await next(request);
          caching.push(response.header.get("cache-control"));
          return response;
        },
      ],
    });
    const client = createClient(Echo, transport);
    const value = "x".repeat(100_000);
    expect((await client.say({ value })).value).toBe(value);
    const counted = await texts(client.count({ value: "3" }));
    expect(counted).toEqual(["1", "2", "3"]);
    const answers = await texts(client.chat(chatter(value, "b")));
    expect(answers).toEqual([value, "b"]);
    expect(caching).toEqual(["no-store", "no-store", "no-store"]);
  },
);

test("GET is for methods without side effects only", async () => {
  const server = await startServer();
  const transport = createConnectTransport({ ...server, httpVersion: "1.1", useHttpGet: true });
  expect((await createClient(Echo, transport).get({ value: "x" })).value).toBe("x");
  const query = `?encoding=json&message=${encodeURIComponent('"y"')}`;
  const [get, say] = await Promise.all(
    ["Get", "Say"].map((name) => fetch(`${server.baseUrl}/test.Echo/${name}${query}`)),
  );
  expect([get?.status, await get?.text(), get?.headers.get("cache-control")]).toEqual([
    200,
    '"y"',
    "no-store",
  ]);
  expect([say?.status, say?.headers.get("allow")]).toEqual([405, "POST"]);
  expect((await fetch(`${server.baseUrl}/test.Echo/Get?encoding=json&message=%7B`)).status).toBe(400);
});

test("a GET whose query is malformed in any way is the client's fault", async () => {
  const server = await startServer();
  const get = async (query: string) => {
    const response = await fetch(`${server.baseUrl}/test.Echo/Get?${query}`);
    return { status: response.status, body: await response.text() };
  };
  for (const message of ["%%%", "a", "AA=A", "%zz", "\ud800", "!!!!"]) {
    const { status, body } = await get(`encoding=proto&base64=1&message=${message}`);
    expect([message, status]).toEqual([message, 400]);
    expect(JSON.parse(body)).toMatchObject({ code: "invalid_argument" });
  }
  const random = seededRandom(20_261_123);
  const parts = [
    "encoding=proto",
    "encoding=json",
    "encoding",
    "base64=1",
    "base64",
    "connect=v1",
    "connect=x",
  ];
  const values = ["", "%%%", "CgF4", "Cg", "%7B", "%22x%22", "=", "&&", "%00", "AA==", "_-8", "+/8"];
  const encodings = ["", "compression=gzip", "compression=identity", "compression=br", "compression"];
  for (let n = 0; n < 500; n++) {
    const picked = Array.from({ length: random.int(4) }, () => parts[random.int(parts.length)]);
    const message = `message=${values[random.int(values.length)]}${values[random.int(values.length)]}`;
    const query = [...picked, message, encodings[random.int(encodings.length)]].join("&");
    const { status } = await get(query);
    expect([query, status]).toEqual([query, expect.toBeOneOf([200, 400, 415, 501])]);
  }
  expect(server.failures).toEqual([]);
});

test("a wrong content type is 415, a wrong HTTP method 405, a stream of requests over HTTP/1.1 505", async () => {
  const server = await startServer();
  const send = (path: string, init: RequestInit) => fetch(`${server.baseUrl}${path}`, init);
  expect((await send("/test.Echo/Say", postOf("text/plain"))).status).toBe(415);
  expect((await send("/test.Echo/Say", { method: "PUT", body: "{}" })).status).toBe(405);
  const chat = await send("/test.Echo/Chat", postOf("application/connect+json"));
  expect([chat.status, chat.headers.get("connection")]).toEqual([505, "close"]);
});

test("an unknown method is unimplemented, in the form of each protocol", async () => {
  const server = await startServer();
  const post = openPoster(server);
  const grpc = await post("/test.Echo/Shout", { "content-type": "application/grpc+proto" }, "");
  expect(grpc).toMatchObject({ outcome: "unimplemented", body: Buffer.alloc(0), trailers: {} });
  expect(grpc.headers).toMatchObject({ ":status": 200, "content-type": "application/grpc" });
  const web = await post("/test.Echo/Shout", { "content-type": "application/grpc-web" }, "");
  expect(web).toMatchObject({ outcome: "unimplemented", headers: { ":status": 200 } });
  const { status } = await fetch(`${server.baseUrl}/test.Echo/Shout`, { method: "POST", body: "{}" });
  expect(status).toBe(404);
});

test.each(protocols)("%s: of a bug the client sees an id, and the log the rest", async (_, create) => {
  const server = await startServer({
    echo: {
      say: bug,
      async *count() {
        yield bug();
      },
      chat: bug,
    },
  });
  const client = createClient(Echo, create(server));
  const calls = [client.say({}), texts(client.count({})), texts(client.chat(chatter("x")))];
  const errors = await Promise.all(calls.map(refusal));
  expect(server.failures.map(({ rpc }) => rpc).toSorted()).toEqual([
    "test.Echo/Chat",
    "test.Echo/Count",
    "test.Echo/Say",
  ]);
  for (const error of errors) {
    expect(error.code).toBe(Code.Internal);
    const failure = server.failures.find(({ id }) => error.rawMessage.includes(id));
    expect(failure?.error).toMatchObject({ message: secret });
    expect(JSON.stringify([error.message, error.details, [...error.metadata]])).not.toContain(secret);
  }
});

test.each([
  ["Say", "application/proto"],
  ["Say", "application/json"],
  ["Say", "application/json;charset=utf8"],
  ["Say", "application/grpc"],
  ["Say", "application/grpc+json"],
  ["Say", "application/grpc-web"],
  ["Say", "application/grpc-web+json"],
  ["Count", "application/connect+proto"],
  ["Count", "application/connect+json"],
  ["Count", "application/grpc"],
  ["Count", "application/grpc-web+json"],
])("%s, %s: an answer that cannot be encoded is a bug, too", async (method, type) => {
  // Not every format looks at its type, but each makes it text.
  const wrong = { value: Object.assign([], { toString: bug, toJSON: bug }) as unknown as string };
  const server = await startServer({
    echo: {
      say: () => wrong,
      async *count() {
        yield wrong;
      },
    },
  });
  const message = type.includes("json") ? Buffer.from('"x"') : Buffer.from("0a0178", "hex");
  const body = /grpc|connect/.test(type) ? encodeEnvelope(0, message) : message;
  const answer = await openPoster(server)(`/test.Echo/${method}`, { "content-type": type }, body);
  const text = decodeURIComponent(JSON.stringify([answer.headers, answer.trailers, answer.body.toString()]));
  expect(server.failures).toMatchObject([{ rpc: `test.Echo/${method}`, error: expect.any(Error) }]);
  expect(answer.outcome).toBe("internal");
  expect(text).toContain(`internal error ${server.failures[0]?.id}`);
  expect(text).not.toMatch(/4111|String|serialize|encode/);
});

test.each([
  ["connect-timeout-ms", "9999999999", "application/json"],
  ["grpc-timeout", "99999999H", "application/grpc+json"],
])("a timeout of years in %s does not expire at once", async (name, value, type) => {
  const server = await startServer({
    echo: {
      async say(message, { signal }) {
        await sleep(50);
        signal.throwIfAborted();
        return message;
      },
    },
  });
  const message = Buffer.from('"x"');
  const body = type === "application/json" ? message : encodeEnvelope(0, message);
  const answer = await openPoster(server)("/test.Echo/Say", { "content-type": type, [name]: value }, body);
  expect(answer).toMatchObject({ outcome: "ok" });
});

test("a request that breaks off is no bug", async () => {
  const server = await startServer();
  const head = "POST /test.Echo/Count HTTP/1.1\r\nhost: a\r\ncontent-type: application/connect+json\r\n";
  const raws = await Promise.all(Array.from({ length: 20 }, () => openRaw(server)));
  for (const raw of raws) {
    raw.write(`${head}content-length: 100\r\n\r\nabc`);
    raw.end();
  }
  await Promise.all(raws.map(({ closed }) => closed));
  server.listener.stop();
  await server.listener.closed;
  expect(server.failures).toEqual([]);
});

test("a gate sees every call before its body, and its bugs are hidden as well", async () => {
  const server = await startServer({
    adapter: {
      requestGate({ method }) {
        if (method.name === "Say") throw new ConnectError("who are you?", Code.Unauthenticated);
        throw new Error(secret);
      },
    },
  });
  const post = openPoster(server);
  const fields = { "content-type": "application/json" };
  expect(await post("/test.Echo/Say", fields, "{")).toMatchObject({ outcome: "unauthenticated" });
  const { outcome, body } = await post("/test.Echo/Get", fields, "{");
  expect(outcome).toBe("internal");
  expect(body.toString()).not.toContain(secret);
  expect(server.failures).toMatchObject([{ rpc: "test.Echo/Get", error: { message: secret } }]);
});

test.each([
  ["bytes, got 200: a/b?&=+ (100 %)", "bytes, got 200: a/b?&=+ (100 %25)"],
  [" é\n\u{1f600} ", "%20%C3%A9%0A%F0%9F%98%80%20"],
  ["", ""],
])("gRPC: of the message of an error, %j, only what must be is encoded", async (message, encoded) => {
  const fail = () => {
    throw new ConnectError(message, Code.NotFound);
  };
  const count = async function* count() {
    yield fail();
  };
  const server = await startServer({ echo: { say: fail, count } });
  for (const method of ["Say", "Count"]) {
    const post = openPoster(server);
    const fields = { "content-type": "application/grpc" };
    const { headers, trailers } = await post(
      `/test.Echo/${method}`,
      fields,
      encodeEnvelope(0, new Uint8Array(0)),
    );
    expect([method, { ...headers, ...trailers }["grpc-message"]]).toEqual([method, encoded]);
  }
});

test("a fallback that throws is answered and reported", async () => {
  const server = await startServer();
  const answer = await fetch(`${server.baseUrl}/throw`);
  expect([answer.status, await answer.text()]).toEqual([500, ""]);
  expect(server.failures).toMatchObject([{ rpc: "/throw", error: { message: "a secret" } }]);
});

async function refusal(promise: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await promise.then(
      () => "no error was thrown",
      (error: unknown) => error,
    ),
  );
}

async function texts(messages: AsyncIterable<{ value: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { value } of messages) all.push(value);
  return all;
}
