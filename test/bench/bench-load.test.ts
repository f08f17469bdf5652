import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  EventRequestSchema,
  EventResponseSchema,
  IngestBatchRequestSchema,
  IngestBatchResponseSchema,
  StatusResponseSchema,
} from "@event-ingestion/api";
import { createEventClient } from "@event-ingestion/client";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { connectHeaders, grpcHeaders } from "../../bench/load/client-headers.ts";
import { prefixed, splitMessages } from "../../bench/load/http2-session.ts";
import { type Load, runLoad } from "../../bench/load/run-load.ts";

const accepted = { accepted: true, message: "stored", jobId: "a".repeat(36), outcome: 1 } as const;
const unary = { protocol: "grpc", calls: { rpc: "IngestEvent" } } as const;
const batch = { protocol: "grpc", calls: { rpc: "IngestBatch", size: 3 } } as const;
const stream = { protocol: "grpc", calls: { rpc: "IngestStream", size: 3 } } as const;

test("single events over several connections: every one new, every answer counted", async () => {
  const eventIds = new Set<string>();
  await using server = await http2(async (call) => {
    const [message = Buffer.alloc(0)] = await read(call);
    eventIds.add(fromBinary(EventRequestSchema, message).eventId);
    answer(call, [event(accepted)]);
  });
  const result = await load(server, { ...unary, inFlight: 150, until: { count: 1000 } });
  expect(result).toMatchObject({ count: 1000, refused: 0 });
  expect(eventIds.size).toBe(1000);
  expect(result.p50Ms).toBeGreaterThan(0);
});

test("batches and streams of batches: larger than a window, one answer each, in order", async () => {
  const sizes: number[] = [];
  await using server = await http2(async (call) => {
    call.respond({ "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    call.on("wantTrailers", () => call.sendTrailers({ "grpc-status": "0" }));
    let rest: Buffer = Buffer.alloc(0);
    call.on("data", (chunk: Buffer) => {
      const split = splitMessages(Buffer.concat([rest, chunk]));
      rest = split.rest;
      for (const message of split.messages) {
        const { events } = fromBinary(IngestBatchRequestSchema, message);
        sizes.push(events.length);
        call.write(prefixed(results(events.map(() => accepted))));
      }
    });
    call.on("end", () => call.end());
  });
  for (const rpc of ["IngestBatch", "IngestStream"] as const) {
    const calls = { rpc, size: 700, keepJobIds: true };
    const { count, jobIds } = await load(server, {
      protocol: "grpc",
      calls,
      inFlight: 6,
      until: { count: 7000 },
    });
    expect({ count, ids: jobIds.length }).toEqual({ count: 7000, ids: 7000 });
  }
  expect(sizes).toEqual(Array.from({ length: 20 }, () => 700));
});

test.each([
  ["single", unary, "is not grpc-status 0"],
  ["a batch", batch, "grpc-status 8 no room"],
  ["a stream", stream, "grpc-status 8 no room"],
])("%s: a call that is not OK fails the load", async (_, calls, message) => {
  await using server = await http2((call) =>
    answer(call, [], { "grpc-status": "8", "grpc-message": "no room" }),
  );
  await expect(load(server, calls)).rejects.toThrow(message);
});

test.each([
  ["single", unary, event({ ...accepted, accepted: false }), "0 of 1"],
  ["a batch", batch, results([accepted, { accepted: false }, accepted]), "2 of 3"],
  ["a batch, answered in part", batch, results([accepted, accepted]), "2 of 3"],
  ["a stream", stream, results([accepted]), "1 of 3"],
  ["a status", status("x"), statusAnswer("not found"), "0 of 1"],
])("%s: an answer that is not the expected one fails the load", async (_, calls, message, error) => {
  await using server = await http2((call) => answer(call, [message]));
  await expect(load(server, calls)).rejects.toThrow(`${error} in an answer were as expected`);
});

test("statuses of the jobs asked for", async () => {
  await using server = await http2((call) => answer(call, [statusAnswer("processing")]));
  expect(await load(server, status("a", "b", "c"))).toMatchObject({ count: 20 });
});

test.each([
  ["single", unary],
  ["a batch", batch],
  ["a stream", stream],
])("%s: a server that resets or leaves fails the load", async (_, calls) => {
  await using resets = await http2((call) => call.close(8));
  await expect(load(resets, calls)).rejects.toThrow(/reset a call|ended without a status/);
  await using leaves = await http2((call) => call.session?.destroy());
  await expect(load(leaves, calls)).rejects.toThrow(/closed|ECONNRESET|ended without a status/);
});

test("UNAVAILABLE is counted where it may happen, and fails the load elsewhere", async () => {
  let calls = 0;
  await using server = await http2((call) => {
    const refuse = calls++ % 2 === 1;
    if (refuse) answer(call, [], { "grpc-status": "14" });
    else answer(call, [results([accepted, accepted, accepted])]);
  });
  const paced = { ...batch, inFlight: 100, perSecond: 500, until: { seconds: 0.2 } };
  const { count, refused } = await load(server, { ...paced, mayRefuse: true });
  expect(refused).toBeGreaterThan(0);
  expect(count).toBe(3 * (calls - refused));
  await expect(load(server, paced)).rejects.toThrow("grpc-status 14");
});

test("Connect over HTTP/1.1: answers are counted, an error fails the load", async () => {
  let ok = true;
  const http1 = createHttp1Server((request, response) => {
    request.resume().on("end", () => {
      const body = ok ? event(accepted) : Buffer.from('{"code":"internal"}');
      response.writeHead(ok ? 200 : 500, { "content-length": body.byteLength }).end(body);
    });
  });
  await using server = await listening(http1);
  const calls = { ...unary, protocol: "connect-http1" } as const;
  expect(await load(server, calls)).toMatchObject({ count: 20 });
  ok = false;
  await expect(load(server, calls)).rejects.toThrow("500");
});

test("what the generator sends beside a message is what the generated client sends", async () => {
  const heads: Head[] = [];
  const keep = (head: Head) => void heads.push(withoutNames(head));
  await using grpc = await http2((call, head) => {
    keep(head);
    answer(call, [event(accepted)]);
  });
  await using connect = await listening(
    createHttp1Server((request, response) => {
      keep(request.headers);
      response.writeHead(200, { "content-type": "application/proto" });
      request.resume().on("end", () => void response.end(event(accepted)));
    }),
  );
  const transports = [
    createGrpcTransport({ baseUrl: grpc.url }),
    createConnectTransport({ baseUrl: connect.url, httpVersion: "1.1" }),
  ];
  for (const transport of transports) await createEventClient({ transport }).ingest({ payload: "{}" });
  expect(heads).toEqual([grpcHeaders, connectHeaders].map(withoutNames));
});

type Head = Readonly<Record<string, unknown>>;

/** Without where the request goes, and without versions and what is left of a deadline. */
function withoutNames(head: Head): Head {
  const fields = Object.entries(head).filter(([name]) => !name.startsWith(":") && name !== "host");
  return Object.fromEntries(fields.map(([name, value]) => [name, String(value).replace(/\d.*/, "N")]));
}

function load(server: { url: string }, calls: Omit<Load, "url" | "inFlight" | "until"> & Partial<Load>) {
  return runLoad({ url: server.url, inFlight: 4, until: { count: 20 }, ...calls });
}

function status(...jobIds: string[]) {
  return { protocol: "grpc", calls: { rpc: "GetStatus", jobIds } } as const;
}

function event(fields: MessageInitShape<typeof EventResponseSchema>): Buffer {
  return Buffer.from(toBinary(EventResponseSchema, create(EventResponseSchema, fields)));
}

function results(fields: MessageInitShape<typeof EventResponseSchema>[]): Buffer {
  const response = create(IngestBatchResponseSchema, { results: fields });
  return Buffer.from(toBinary(IngestBatchResponseSchema, response));
}

function statusAnswer(text: string): Buffer {
  return Buffer.from(toBinary(StatusResponseSchema, create(StatusResponseSchema, { status: text })));
}

async function http2(handle: (call: ServerHttp2Stream, head: IncomingHttpHeaders) => unknown) {
  const server = createServer();
  server.on("stream", (call, head) => {
    call.on("error", () => undefined);
    void handle(call, head);
  });
  return listening(server);
}

async function listening(server: Server) {
  const sockets = new Set<{ destroy: () => unknown }>();
  server.on("connection", (socket) => sockets.add(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function read(call: ServerHttp2Stream): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of call) chunks.push(chunk as Buffer);
  return splitMessages(Buffer.concat(chunks)).messages;
}

function answer(
  call: ServerHttp2Stream,
  messages: Buffer[],
  trailers: Record<string, string> = { "grpc-status": "0" },
): void {
  call.resume();
  call.respond({ "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  call.on("wantTrailers", () => call.sendTrailers(trailers));
  call.end(Buffer.concat(messages.map(prefixed)));
}
