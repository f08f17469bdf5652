export { createHealth, type HealthOptions, type ServiceHealth, type ServingStatus } from "./health.ts";
export { Health } from "./gen/grpc/health/v1/health_pb.ts";
