import { execFile } from "node:child_process";
import { once } from "node:events";
import * as http2 from "node:http2";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { file_google_protobuf_api } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { createHealth, Health } from "@event-ingestion/grpc-health";
import { credentials } from "@grpc/grpc-js";
import { GrpcReflection } from "grpc-js-reflection-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { reflectionRoutes } from "./reflection.ts";

// Clients written by others, over HTTP/2, against the adapter that comes with connect-node.

let server: http2.Http2Server;
let host: string;

beforeAll(async () => {
  const reflection = reflectionRoutes([Health], { extraFiles: [file_google_protobuf_api], idleMs: 10_000 });
  const health = createHealth([Health]);
  const routes: typeof reflection = (router) => {
    health.routes(router);
    reflection(router);
  };
  server = http2.createServer(connectNodeAdapter({ routes })).listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  host = `localhost:${typeof address === "object" ? address?.port : undefined}`;
});
afterAll(async () => {
  server.close();
  await once(server, "close");
});

const services = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

describe.each(["v1", "v1alpha"])("%s", (version) => {
  const buf = fileURLToPath(new URL("../node_modules/.bin/buf", import.meta.url));
  const curl = async (...args: string[]) => {
    const flags = [
      "curl",
      "--protocol",
      "grpc",
      "--reflect-protocol",
      `grpc-${version}`,
      "--http2-prior-knowledge",
    ];
    return (await promisify(execFile)(buf, [...flags, ...args])).stdout;
  };

  test("buf curl calls what it has no schema of", async () => {
    const answer = await curl(
      "--data",
      '{"service":"grpc.health.v1.Health"}',
      `http://${host}/grpc.health.v1.Health/Check`,
    );
    expect(JSON.parse(answer)).toEqual({ status: "SERVING" });
  });

  test("buf curl lists services and methods", async () => {
    expect((await curl("--list-services", `http://${host}`)).trim().split("\n")).toEqual(services);
    expect((await curl("--list-methods", `http://${host}`)).trim().split("\n")).toContain(
      "grpc.health.v1.Health/Watch",
    );
  });

  const connect = () => new GrpcReflection(host, credentials.createInsecure(), {}, version);

  describe("grpc-js-reflection-client", () => {
    test("lists services and methods", async () => {
      const client = connect();
      expect(await client.listServices()).toEqual(services);
      const methods = await client.listMethods("grpc.health.v1.Health");
      expect(methods.map(({ name }) => name)).toEqual(["Check", "Watch", "List"]);
    });

    test("builds a file and all that it imports", async () => {
      const root = (await connect().getDescriptorByFileName("google/protobuf/api.proto")).getProtobufJsRoot();
      for (const name of ["Api", "Field", "SourceContext", "Any"]) {
        expect(root.lookupType(`google.protobuf.${name}`).name).toBe(name);
      }
    });

    test("hears of what is unknown", async () => {
      await expect(connect().getDescriptorBySymbol("nobody.Nothing")).rejects.toThrow("no such symbol");
    });
  });
});

test("a client that keeps its side open gets its answers, and the error that ends them", async () => {
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: `http://${host}` }));
  const hold = Promise.withResolvers<void>();
  async function* requests() {
    yield { messageRequest: { case: "listServices", value: "*" } as const };
    yield {};
    await hold.promise;
  }
  const received = client.serverReflectionInfo(requests())[Symbol.asyncIterator]();
  expect(await received.next()).toMatchObject({
    value: { messageResponse: { case: "listServicesResponse" } },
  });
  await expect(received.next()).rejects.toMatchObject({ code: Code.InvalidArgument });
  hold.resolve();
});
