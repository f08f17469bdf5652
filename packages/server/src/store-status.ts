import { Code, ConnectError } from "@connectrpc/connect";
import { StoreError } from "@event-ingestion/store";
import { retryLater } from "./retry-info.ts";

/** What a call asked of the store. */
export type Asked = keyof typeof texts;

/** What is said of calls that may be tried again. */
const texts = {
  append: {
    refused: "nothing was stored",
    unanswered: "it is unknown whether anything was stored",
    advice: "retry with the same event_id",
  },
  change: {
    refused: "nothing was done",
    unanswered: "it is unknown whether anything was done",
    advice: "call again",
  },
  read: { refused: "nothing was read", unanswered: "nothing was read", advice: "call again" },
};

/**
 * The one place that turns a store's error into an answer. Any other error is a bug and stays as it is; the RPC handler answers it
 * with "internal".
 */
export function storeStatus(error: unknown, asked: Asked): unknown {
  const { refused, unanswered, advice } = texts[asked];
  if (!(error instanceof StoreError)) return error;
  switch (error.reason) {
    case "overloaded":
      return retryLater(`the service is full, ${refused}; ${advice}`);
    case "unavailable":
    case "locked":
    case "incompatible":
      return retryLater(
        error.outcome === "unknown"
          ? `the store did not answer, ${unanswered}; ${advice}`
          : `the store is not available; ${advice}`,
      );
    case "corrupt":
      return new ConnectError("the store is damaged; an operator must restore it", Code.DataLoss);
    case "invalid":
      return error;
  }
}
