import { once } from "node:events";
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { seededRandom } from "../testing/random.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";
import { actor } from "./testing/actor.ts";
import { type Question, question } from "./testing/questions.ts";

// The fast path and connect answer the same, whatever is asked. SEED repeats a run, INPUTS=100000 makes a long one.
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const inputs = Number(process.env.INPUTS ?? 2000);

const limits = {
  readMaxBytes: 5000,
  maxBytesInFlight: 1_000_000,
  writeMaxBytes: 20_000,
  compressMinBytes: 1024,
};

test(
  `${inputs} calls from seed ${seed} are answered alike on both paths`,
  { timeout: 30_000 + inputs * 20 },
  async () => {
    const servers = await Promise.all(
      [true, false].map((fastPath) => startServer({ echo: actor, limits, adapter: { fastPath } })),
    );
    const [askFast = failing, askSlow = failing] = servers.map(openAsker);
    const random = seededRandom(seed);
    for (let n = 0; n < inputs; n += 50) {
      const questions = Array.from({ length: 50 }, () => question(random));
      await Promise.all(
        questions.map(async (asked) => {
          const [fast, slow] = await Promise.all([askFast(asked), askSlow(asked)]);
          expect({ asked: shown(asked), ...fast }).toEqual({ asked: shown(asked), ...slow });
        }),
      );
    }
    expect(servers[0]?.failures.length).toBe(servers[1]?.failures.length);
  },
);

function failing(): never {
  throw new Error("no server");
}

function shown({ body, ...rest }: Question) {
  return { ...rest, body: body.subarray(0, 80).toString("latin1") };
}

interface Answered {
  status: unknown;
  fields: Record<string, unknown>;
  body: string;
}

function openAsker(server: TestServer): (asked: Question) => Promise<Answered> {
  const session = connect(server.baseUrl);
  const agent = new Agent({ keepAlive: true, maxSockets: 10 });
  onTestFinished(() => {
    session.destroy();
    agent.destroy();
  });
  return async ({ path, version, fields, body }) => {
    if (version === 2) {
      const stream = session.request({ ":method": "POST", ":path": path, ...fields }).end(body);
      let trailers: IncomingHttpHeaders = {};
      stream.on("trailers", (got) => (trailers = got));
      const [headers] = await once(stream, "response");
      const got = Buffer.concat(await stream.toArray());
      return normal(headers[":status"], { ...headers, ...trailers }, got);
    }
    const to = { host: "127.0.0.1", port: server.port, path, agent };
    const sent = httpRequest({ ...to, method: "POST", headers: fields }).end(body);
    const [response]: IncomingMessage[] = await once(sent, "response");
    if (response === undefined) throw new Error("no response");
    return normal(response.statusCode, response.headers, Buffer.concat(await response.toArray()));
  };
}

/** Without what may differ: ids, the coding of a message, and where gRPC puts the status. */
function normal(status: unknown, fields: Record<string, unknown>, got: Buffer): Answered {
  const {
    date: _date,
    "grpc-encoding": grpcEncoding,
    "content-encoding": encoding,
    "content-length": _length,
    ...rest
  } = fields;
  let body = got;
  if (encoding === "gzip") body = gunzipSync(got);
  else if (grpcEncoding === "gzip" && got[0] === 1) body = gunzipSync(got.subarray(5));
  else if (String(rest["content-type"]).startsWith("application/grpc")) body = got.subarray(5);
  // Errors are small: the fast path never compresses them.
  const isCompressed = encoding === "gzip" || (grpcEncoding === "gzip" && got[0] === 1);
  const compressed = status === 200 ? { compressed: isCompressed } : {};
  return {
    status,
    fields: { ...JSON.parse(hideId(JSON.stringify(rest))), ...compressed },
    body: hideId(body.toString("latin1")),
  };
}

function hideId(text: string): string {
  return text.replaceAll(/internal( |%20)error( |%20)[0-9a-f-]{36}/g, "internal error ID");
}
