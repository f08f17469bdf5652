import { measureLoad, type Scenario } from "../scenario.ts";

export default [100, 1000].map((size): Scenario => ({
  name: `ingest-batch-${size}`,
  title: `IngestBatch of ${size.toLocaleString("en")}, gRPC, 8 in flight`,
  kind: "service",
  unit: "events",
  durability: "fsync",
  run: async (bench) =>
    measureLoad(bench, await bench.startService(), {
      protocol: "grpc",
      calls: { rpc: "IngestBatch", size },
      inFlight: 8,
    }),
}));
