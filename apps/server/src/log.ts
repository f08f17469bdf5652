import type { Logger } from "@event-ingestion/app-kit/log";
import type { StoreEvent } from "@event-ingestion/app-kit/store-url";
import type { ServerEvent } from "@event-ingestion/server";

/** One line for what an operator wants to read; what happens per event is in the metrics. Never a payload. */
export function createServerLog(log: Logger): (event: ServerEvent) => void {
  const refusedAt = new Map<string, number>();
  const isDue = (what: string) => {
    const now = performance.now();
    if (now - (refusedAt.get(what) ?? Number.NEGATIVE_INFINITY) < refusalsEveryMs) return false;
    refusedAt.set(what, now);
    return true;
  };
  return (event) => {
    const refusal = event.kind === "connection" ? refusals[event.what] : undefined;
    if (refusal !== undefined && isDue(refusal)) log.warn(refusal);
    logServerEvent(log, event);
  };
}

/** How often the log says that connections are refused; the metrics count each. */
const refusalsEveryMs = 60_000;

/** What an operator has to do something about. */
const refusals: Record<string, string> = {
  "connection-limit":
    "connections are refused: MAX_CONNECTIONS are open. Raise it, or let clients share or close connections",
  "accept-failed":
    "connections cannot be accepted. Is the limit of open files (ulimit -n) below MAX_CONNECTIONS?",
};

function logServerEvent(log: Logger, event: ServerEvent): void {
  switch (event.kind) {
    case "listening":
      log.info({ url: event.url }, "listening");
      break;
    case "internal-error":
      log.error({ id: event.id, rpc: event.rpc, err: event.error }, "internal error");
      break;
    case "readiness":
      if (event.ready && event.reason !== undefined)
        log.warn({ reason: event.reason }, "ready, in spite of this");
      else if (event.ready) log.info("ready");
      else log[event.reason === "draining" ? "info" : "error"]({ reason: event.reason }, "not ready");
      break;
    case "maintained":
      log.debug({ requeued: event.requeued, died: event.died, pruned: event.pruned }, "maintained");
      break;
    case "maintenance-failed":
      log.warn({ err: event.error }, "maintenance failed, will be tried again");
      break;
    case "connection":
      log.debug({ what: event.what, err: event.error }, "connection");
      break;
    case "draining":
      log.info("draining");
      break;
    case "drained":
      log.info({ forced: event.forced }, "drained");
      break;
  }
}

/** Logs a fact about the file of the store that an operator should know. */
export function logStoreEvent(log: Logger, event: Exclude<StoreEvent, { kind: "opened" }>): void {
  const { file } = event;
  switch (event.kind) {
    case "check-skipped":
      log.info({ file, bytes: event.bytes }, "the store is large, so it was not checked for damage");
      break;
    case "migrated":
      log.info(
        { file, from: event.from, to: event.to },
        "the store was migrated; earlier versions refuse it from now on",
      );
      break;
    case "unsure-file-system":
      log.warn(
        { file, fileSystem: event.name },
        "the store is not on a local disk: it may be lost with the machine or container, and a second server may not be kept out",
      );
      break;
  }
}
