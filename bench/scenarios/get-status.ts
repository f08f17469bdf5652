import { measureLoad, type Scenario } from "../scenario.ts";

const storedEvents = 20_000;

export default [
  {
    name: "get-status",
    title: `GetStatus, gRPC, 100 in flight, among ${storedEvents.toLocaleString("en")} jobs`,
    kind: "service",
    unit: "calls",
    durability: "none",
    async run(bench) {
      const service = await bench.startService();
      const { jobIds } = await bench.load({
        url: service.url,
        protocol: "grpc",
        calls: { rpc: "IngestBatch", size: 1000, keepJobIds: true },
        inFlight: 4,
        until: { count: storedEvents },
      });
      return measureLoad(bench, service, {
        protocol: "grpc",
        calls: { rpc: "GetStatus", jobIds },
        inFlight: 100,
      });
    },
  },
] satisfies Scenario[];
