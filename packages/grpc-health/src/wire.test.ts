import { once } from "node:events";
import * as http2 from "node:http2";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "./gen/grpc/health/v1/health_pb.ts";
import { createHealth, type ServiceHealth } from "./health.ts";

// A client written by others, over HTTP/2, against the adapter that comes with connect-node.

const maxWatchers = 20;
let health: ServiceHealth;
let server: http2.Http2Server;
let client: grpc.Client;

beforeEach(async () => {
  health = createHealth([Health], { maxWatchers });
  server = http2.createServer(connectNodeAdapter({ routes: health.routes })).listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  client = new grpc.Client(`localhost:${port}`, grpc.credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  server.close();
  await once(server, "close");
});

const { check, watch } = Health.method;
const encode =
  <T extends DescMessage>(schema: T) =>
  (message: MessageShape<T>) =>
    Buffer.from(toBinary(schema, message));
const decode =
  <T extends DescMessage>(schema: T) =>
  (bytes: Uint8Array) =>
    fromBinary(schema, bytes);

const callCheck = (service: string) =>
  new Promise<Status | undefined>((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      encode(check.input),
      decode(check.output),
      create(check.input, { service }),
      (error, answer) => (error === null ? resolve(answer?.status) : reject(error)),
    );
  });

function callWatch(service: string) {
  const call = client.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    encode(watch.input),
    decode(watch.output),
    create(watch.input, { service }),
  );
  const answers = call[Symbol.asyncIterator]();
  return {
    next: async (): Promise<Status> => (await answers.next()).value.status,
    cancel: () => call.cancel(),
  };
}

test("grpc-js checks", async () => {
  expect(await callCheck("")).toBe(Status.SERVING);
  expect(await callCheck(Health.typeName)).toBe(Status.SERVING);
  health.set(Health.typeName, "NOT_SERVING");
  expect(await callCheck(Health.typeName)).toBe(Status.NOT_SERVING);
  await expect(callCheck("nobody")).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
});

test("grpc-js watches", async () => {
  const known = callWatch(Health.typeName);
  const unknown = callWatch("later");
  expect(await known.next()).toBe(Status.SERVING);
  expect(await unknown.next()).toBe(Status.SERVICE_UNKNOWN);
  health.setAll("NOT_SERVING");
  health.set("later", "SERVING");
  expect(await known.next()).toBe(Status.NOT_SERVING);
  expect(await unknown.next()).toBe(Status.SERVING);
  for (const { next, cancel } of [known, unknown]) {
    const end = next();
    cancel();
    await expect(end).rejects.toMatchObject({ code: grpc.status.CANCELLED });
  }
});

test("watches that were cancelled leave their places", async () => {
  for (let round = 0; round < 10; round++) {
    const open = await Promise.all(Array.from({ length: maxWatchers }, watchWhenFree));
    await expect(callWatch("").next()).rejects.toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
    for (const { next, cancel } of open) {
      next().catch(() => undefined);
      cancel();
    }
  }
});

/** The server hears of a cancel a moment later: until then it may say that there is no place. */
const watchWhenFree = () =>
  vi.waitFor(
    async () => {
      const watching = callWatch("");
      expect(await watching.next()).toBe(Status.SERVING);
      return watching;
    },
    { timeout: 15_000, interval: 5 },
  );
