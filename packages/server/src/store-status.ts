import { Code, ConnectError } from "@connectrpc/connect";
import { StoreError } from "@event-ingestion/store";
import { retryLater } from "./retry-info.ts";

/**
 * The one place that turns a store's error into an answer. Any other error is a bug and stays as it is; the adapter answers it
 * with "internal". `advice` tells the client what to do about an answer that asks to try again.
 */
export function storeStatus(error: unknown, advice = "retry with the same event_id"): unknown {
  if (!(error instanceof StoreError)) return error;
  switch (error.reason) {
    case "overloaded":
      return retryLater(`the service is full, nothing was stored; ${advice}`);
    case "unavailable":
    case "locked":
    case "incompatible":
      return retryLater(
        error.outcome === "unknown"
          ? `the store did not answer, it is unknown whether anything was stored; ${advice}`
          : `the store is not available; ${advice}`,
      );
    case "corrupt":
      return new ConnectError("the store is damaged; an operator must restore it", Code.DataLoss);
    case "invalid":
      return error;
  }
}
