export { createServer, type EventServer } from "./server.ts";
export type { ServerOptions } from "./options.ts";
export type { Readiness } from "./readiness.ts";
export type { Rejection, ServerEvent } from "./observe.ts";
export { createMetrics, type Metrics } from "./metrics.ts";
export type { Limits } from "./http/limits.ts";
export type { NodeHandler } from "./http/node-handler.ts";
export { ListenError } from "./http/listener/listener.ts";
