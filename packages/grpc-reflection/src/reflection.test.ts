import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import {
  file_google_protobuf_api,
  file_google_protobuf_cpp_features,
  file_google_protobuf_go_features,
  file_google_protobuf_java_features,
  file_google_protobuf_struct,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Health } from "@event-ingestion/grpc-health";
import { afterEach, describe, expect, test, vi } from "vitest";
import * as v1 from "./gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { reflectionRoutes } from "./reflection.ts";

const extraFiles = Object.freeze([
  file_google_protobuf_api,
  file_google_protobuf_struct,
  file_google_protobuf_java_features,
  file_google_protobuf_cpp_features,
  file_google_protobuf_go_features,
]);
const healthFile = "grpc/health/v1/health.proto";
const descriptorFile = "google/protobuf/descriptor.proto";
const featureSet = "google.protobuf.FeatureSet";

interface Question {
  host?: string;
  messageRequest?:
    | {
        case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
        value: string;
      }
    | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } };
}
type Answer = v1.ServerReflectionResponse | v1alpha.ServerReflectionResponse;

const ask = (
  kind: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType",
  value: string,
): Question => ({
  messageRequest: { case: kind, value },
});
const askExtension = (containingType: string, extensionNumber: number): Question => ({
  messageRequest: { case: "fileContainingExtension", value: { containingType, extensionNumber } },
});
const askList: Question = { messageRequest: { case: "listServices", value: "*" } };
const notFound = (errorMessage: string) => ({ case: "errorResponse", value: { errorCode: 5, errorMessage } });

function filesIn({ messageResponse: { case: kind, value } }: Answer) {
  if (kind !== "fileDescriptorResponse") throw new Error(`got ${kind}`);
  return value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}
const namesIn = (answer: Answer) => filesIn(answer).map(({ name }) => name);

afterEach(() => void vi.useRealTimers());

describe.each([
  ["v1", v1.ServerReflection],
  ["v1alpha", v1alpha.ServerReflection],
])("%s", (_version, service) => {
  function setup(options: { idleMs?: number } = {}, shutdownSignal?: AbortSignal) {
    const routes = reflectionRoutes([Health], Object.freeze({ extraFiles, ...options }));
    const router = shutdownSignal === undefined ? {} : { shutdownSignal };
    const client = createClient(service, createRouterTransport(routes, { router }));
    return (questions: AsyncIterable<Question>): AsyncIterable<Answer> =>
      client.serverReflectionInfo(questions);
  }

  /** Asks all questions in one stream, which must end well, and gives the answers. */
  async function answers(...questions: Question[]): Promise<Answer[]> {
    const stream = setup();
    return collect(stream(toAsync(questions)));
  }
  const answer = async (question: Question) => (await answers(question))[0]?.messageResponse;

  /** Opens a stream whose client sends a question when told to. */
  function open(...args: Parameters<typeof setup>) {
    let told = Promise.withResolvers<void>();
    const stream = setup(...args);
    async function* questions() {
      for (;;) {
        await told.promise;
        told = Promise.withResolvers<void>();
        yield askList;
      }
    }
    const received = stream(questions())[Symbol.asyncIterator]();
    return { send: () => told.resolve(), receive: () => received.next() };
  }

  test("lists the services by name, with both of its own", async () => {
    expect(await answer(askList)).toMatchObject({
      case: "listServicesResponse",
      value: {
        service: [
          { name: "grpc.health.v1.Health" },
          { name: "grpc.reflection.v1.ServerReflection" },
          { name: "grpc.reflection.v1alpha.ServerReflection" },
        ],
      },
    });
  });

  test("sends a file first, then what it needs, breadth first", async () => {
    const [api] = await answers(ask("fileByFilename", "google/protobuf/api.proto"));
    expect(api && namesIn(api)).toEqual([
      "google/protobuf/api.proto",
      "google/protobuf/source_context.proto",
      "google/protobuf/type.proto",
      "google/protobuf/any.proto",
    ]);
  });

  test("sends a file that was sent only when it is asked for", async () => {
    const [type, api, again] = await answers(
      ask("fileByFilename", "google/protobuf/type.proto"),
      ask("fileContainingSymbol", "google.protobuf.Api"),
      ask("fileByFilename", "google/protobuf/type.proto"),
    );
    expect(type && namesIn(type)).toContain("google/protobuf/any.proto");
    expect(api && namesIn(api)).toEqual(["google/protobuf/api.proto"]);
    expect(again && namesIn(again)).toEqual(["google/protobuf/type.proto"]);
  });

  test("remembers what was sent for one stream only", async () => {
    const stream = setup();
    for (let round = 0; round < 2; round++) {
      for await (const type of stream(toAsync([ask("fileByFilename", "google/protobuf/type.proto")]))) {
        expect(namesIn(type)).toHaveLength(3);
      }
    }
  });

  test("sends what builds the service again", async () => {
    const [sent] = await answers(ask("fileContainingSymbol", Health.typeName));
    const file = sent === undefined ? [] : filesIn(sent);
    const registry = createFileRegistry({ $typeName: "google.protobuf.FileDescriptorSet", file });
    const methods = registry
      .getService(Health.typeName)
      ?.methods.map(({ name, methodKind }) => [name, methodKind]);
    expect(methods).toEqual([
      ["Check", "unary"],
      ["Watch", "server_streaming"],
      ["List", "unary"],
    ]);
  });

  test.each([
    ["service", Health.typeName, healthFile],
    ["method", "grpc.health.v1.Health.Watch", healthFile],
    ["message", "grpc.health.v1.HealthCheckResponse", healthFile],
    ["field", "grpc.health.v1.HealthCheckResponse.status", healthFile],
    ["entry of a map", "grpc.health.v1.HealthListResponse.StatusesEntry", healthFile],
    ["nested enum", "grpc.health.v1.HealthCheckResponse.ServingStatus", healthFile],
    ["value of a nested enum", "grpc.health.v1.HealthCheckResponse.SERVING", healthFile],
    ["value of an enum", "google.protobuf.NULL_VALUE", "google/protobuf/struct.proto"],
    ["oneof", "google.protobuf.Value.kind", "google/protobuf/struct.proto"],
    ["extension", "pb.go", "google/protobuf/go_features.proto"],
    ["message of another file", featureSet, descriptorFile],
    ["name with a leading dot", ".grpc.health.v1.Health", healthFile],
  ])("finds the file of a %s", async (_what, symbol, file) => {
    const [found] = await answers(ask("fileContainingSymbol", symbol));
    expect(found && namesIn(found)[0]).toBe(file);
  });

  test.each([featureSet, `.${featureSet}`])("finds the extensions of %s", async (message) => {
    const [go, numbers] = await answers(
      askExtension(message, 1002),
      ask("allExtensionNumbersOfType", message),
    );
    expect(go && namesIn(go)).toEqual(["google/protobuf/go_features.proto", descriptorFile]);
    expect(numbers?.messageResponse).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: message, extensionNumber: [1000, 1001, 1002] },
    });
  });

  test("a message without extensions has no numbers", async () => {
    const message = "grpc.health.v1.HealthCheckRequest";
    expect(await answer(ask("allExtensionNumbersOfType", message))).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: message, extensionNumber: [] },
    });
  });

  test("what is unknown is code 5, and the stream goes on", async () => {
    const got = await answers(
      ask("fileByFilename", "nothing.proto"),
      ask("fileContainingSymbol", "grpc.health.v1.Nothing"),
      ask("fileContainingSymbol", "grpc.health.v1"),
      ask("fileContainingSymbol", ""),
      askExtension(featureSet, 999),
      askExtension("grpc.health.v1.Nothing", 1000),
      ask("allExtensionNumbersOfType", "grpc.health.v1.Nothing"),
      ask("allExtensionNumbersOfType", "grpc.health.v1.HealthCheckResponse.ServingStatus"),
      askList,
    );
    expect(got.map(({ messageResponse }) => messageResponse)).toMatchObject([
      notFound("no such file"),
      notFound("no such symbol"),
      notFound("no such symbol"),
      notFound("no such symbol"),
      notFound("no such extension"),
      notFound("no such extension"),
      notFound("no such message"),
      notFound("no such message"),
      { case: "listServicesResponse" },
    ]);
  });

  test("echoes host and request", async () => {
    const questions = [
      { host: "one.example", ...askExtension("nobody", 7) },
      { host: "two.example", ...askList },
    ];
    expect(await answers(...questions)).toMatchObject([
      { validHost: "one.example", originalRequest: questions[0] },
      { validHost: "two.example", originalRequest: questions[1] },
    ]);
  });

  test("a request without a question ends the stream", async () => {
    const stream = setup();
    const received = stream(toAsync([askList, {}, askList]))[Symbol.asyncIterator]();
    expect(await received.next()).toMatchObject({ done: false });
    await expect(received.next()).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test.each([
    [60_000, {}],
    [500, { idleMs: 500 }],
  ])("ends a stream after %d ms without a question", async (idleMs, options) => {
    vi.useFakeTimers();
    const { send, receive } = open(options);
    for (let round = 0; round < 3; round++) {
      const received = receive();
      await vi.advanceTimersByTimeAsync(idleMs - 1);
      send();
      expect(await received).toMatchObject({ done: false });
    }
    const [ended] = await Promise.allSettled([receive(), vi.advanceTimersByTimeAsync(idleMs)]);
    expect(ended).toMatchObject({ status: "rejected", reason: { code: Code.DeadlineExceeded } });
  });

  test("ends with the reason when the server shuts down", async () => {
    const shutdown = new AbortController();
    const { send, receive } = open({}, shutdown.signal);
    send();
    await receive();
    const received = receive();
    shutdown.abort(new ConnectError("going away", Code.Unavailable));
    await expect(received).rejects.toMatchObject({ code: Code.Unavailable, rawMessage: "going away" });
  });
});

test("lists a service once and in its place, however it is given", async () => {
  const routes = reflectionRoutes([v1.ServerReflection, Health, Health]);
  const client = createClient(v1.ServerReflection, createRouterTransport(routes));
  const [list] = await collect(client.serverReflectionInfo(toAsync([askList])));
  expect(list?.messageResponse.value).toMatchObject({
    service: [Health, v1.ServerReflection, v1alpha.ServerReflection].map(({ typeName }) => ({
      name: typeName,
    })),
  });
});

test.each([0, 0.5, Number.NaN, 2 ** 31])("idleMs %d is refused", (idleMs) => {
  expect(() => reflectionRoutes([], { idleMs })).toThrow(
    new RangeError(`idleMs must be a whole number from 1 to 2147483647, got ${idleMs}`),
  );
});

async function* toAsync<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
