export {
  defineHandler,
  type Handler,
  type HandlerContext,
  type HandlerFunction,
  HandlersError,
  Reject,
  RetryLater,
} from "./handler.ts";
export { loadHandlers } from "./load-handlers.ts";
export { runWorker } from "./worker.ts";
export type { WorkerOptions } from "./options.ts";
export type { AbandonReason, AttemptId, SourceCall, WorkerEvent } from "./observe.ts";
