import type { Load } from "../load/run-load.ts";
import { measureLoad, type Scenario } from "../scenario.ts";

function ingest(name: string, title: string, load: Pick<Load, "protocol" | "inFlight">): Scenario {
  return {
    name,
    title: `IngestEvent, ${title}, ${load.inFlight} in flight`,
    kind: "service",
    unit: "events",
    durability: "fsync",
    run: async (bench) =>
      measureLoad(bench, await bench.startService(), { ...load, calls: { rpc: "IngestEvent" } }),
  };
}

export default [
  ...[1, 64, 100, 250].map((inFlight) =>
    ingest(`ingest-grpc-${inFlight}`, "gRPC", { protocol: "grpc", inFlight }),
  ),
  ingest("ingest-http1-100", "Connect over HTTP/1.1", { protocol: "connect-http1", inFlight: 100 }),
];
