import type { Load } from "../load/run-load.ts";
import { measureLoad, type Scenario } from "../scenario.ts";

function ingest(
  name: string,
  { title, against, ...load }: { title: string; against: string } & Pick<Load, "protocol" | "inFlight">,
): Scenario {
  return {
    name,
    title: `IngestEvent, ${title}, ${load.inFlight} in flight`,
    kind: "service",
    unit: "events",
    durability: "fsync",
    against,
    run: async (bench) =>
      measureLoad(bench, await bench.startService(), { ...load, calls: { rpc: "IngestEvent" } }),
  };
}

const grpc = { protocol: "grpc", title: "gRPC", against: "stock-connect-grpc" } as const;

export default [
  ingest("ingest-grpc-1", { ...grpc, inFlight: 1 }),
  ingest("ingest-grpc-64", { ...grpc, inFlight: 64 }),
  ingest("ingest-grpc-250", { ...grpc, inFlight: 250 }),
  ingest("ingest-connect-http1-64", {
    protocol: "connect-http1",
    title: "Connect over HTTP/1.1",
    against: "stock-connect-http1",
    inFlight: 64,
  }),
];
