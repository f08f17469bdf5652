import type { Outcome } from "@event-ingestion/api";

/** Why an event or a request was refused. */
export type Rejection = "invalid" | "unavailable" | "aborted";

/** What the server tells about itself; logs, metrics and tests all come from here. Never holds a payload. */
export type ServerEvent =
  | { kind: "listening"; url: string }
  /** Events answered with an outcome. */
  | { kind: "ingested"; outcome: Outcome; count: number }
  /** Events that got an error instead of an outcome. */
  | { kind: "rejected"; reason: Rejection; count: number }
  /** One call of store.append, from submitting it to its commit. */
  | { kind: "appended"; events: number; durationMs: number }
  /** An answer "internal": the id is in the client's message, the error is for the log only. */
  | { kind: "internal-error"; id: string; rpc: string; error: unknown }
  /** The store stopped or started to take events. */
  | { kind: "readiness"; ready: boolean; reason?: string }
  /** A pass of maintenance that changed something. */
  | { kind: "maintained"; requeued: number; died: number; pruned: number }
  /** A pass of maintenance failed; it is tried again. */
  | { kind: "maintenance-failed"; error: unknown }
  /** The network layer cut or refused something. */
  | { kind: "connection"; what: string; error?: unknown }
  /** So many calls of WatchStatus are open. */
  | { kind: "watchers"; count: number }
  | { kind: "draining" }
  | { kind: "drained"; forced: boolean };
