import type { Load } from "../load/run-load.ts";
import { measureLoad, type Scenario } from "../scenario.ts";

/** A server that stores nothing and answers at once. */
function noop(
  name: string,
  title: string,
  { file, env, ...load }: { file: string; env?: Record<string, string> } & Omit<Load, "url" | "until">,
): Scenario {
  return {
    name,
    title,
    kind: "reference",
    unit: "events",
    durability: "none",
    run: async (bench) =>
      measureLoad(bench, await bench.startServer(new URL(`../servers/${file}`, import.meta.url), env), load),
  };
}

const unary = { protocol: "grpc", calls: { rpc: "IngestEvent" }, inFlight: 100 } as const;

export default [
  noop("raw-http2", "node:http2, canned answer, 100 in flight", { ...unary, file: "raw-http2.ts" }),
  noop("listener-noop", "the network layer of this server, no-op unary, gRPC, 100 in flight", {
    ...unary,
    file: "listener-noop.ts",
  }),
  noop("service-noop", "this server over a store that keeps nothing, unary, gRPC, 100 in flight", {
    ...unary,
    file: "service-noop.ts",
  }),
  noop(
    "service-noop-http1",
    "this server over a store that keeps nothing, unary, Connect over HTTP/1.1, 100 in flight",
    {
      ...unary,
      protocol: "connect-http1",
      file: "service-noop.ts",
    },
  ),
  noop("grpc-js", "@grpc/grpc-js, no-op unary, 100 in flight", { ...unary, file: "grpc-js.ts" }),
  noop("connect-grpc", "stock connect-node, no-op unary, gRPC, 100 in flight", {
    ...unary,
    file: "stock-connect.ts",
  }),
  noop("connect-http1", "stock connect-node, no-op unary, Connect over HTTP/1.1, 100 in flight", {
    ...unary,
    protocol: "connect-http1",
    file: "stock-connect.ts",
    env: { HTTP: "1.1" },
  }),
  noop("connect-batch-1000", "stock connect-node, no-op batch of 1,000, gRPC, 8 in flight", {
    protocol: "grpc",
    calls: { rpc: "IngestBatch", size: 1000 },
    inFlight: 8,
    file: "stock-connect.ts",
  }),
];
