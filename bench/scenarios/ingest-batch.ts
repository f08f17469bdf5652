import { measureLoad, type Scenario } from "../scenario.ts";

export default [100, 1000].map((size): Scenario => ({
  name: `ingest-batch-${size}`,
  title: `IngestBatch of ${size}, gRPC, 8 in flight`,
  kind: "service",
  unit: "events",
  durability: "fsync",
  against: "store-append-1000",
  run: async (bench) =>
    measureLoad(bench, await bench.startService(), {
      protocol: "grpc",
      calls: { rpc: "IngestBatch", size },
      inFlight: 8,
    }),
}));
