import { measureLoad, type Scenario } from "../scenario.ts";

function batches(rpc: "IngestBatch" | "IngestStream", size: number): Scenario {
  const how = rpc === "IngestBatch" ? "8 calls in flight" : "2 streams with 4 batches in flight each";
  return {
    name: `${rpc === "IngestBatch" ? "ingest-batch" : "ingest-stream"}-${size}`,
    title: `${rpc} of ${size.toLocaleString("en")}, gRPC, ${how}`,
    kind: "service",
    unit: "events",
    durability: "fsync",
    run: async (bench) =>
      measureLoad(bench, await bench.startService(), {
        protocol: "grpc",
        calls: { rpc, size },
        inFlight: 8,
      }),
  };
}

export default [100, 1000].flatMap((size) => [batches("IngestBatch", size), batches("IngestStream", size)]);
