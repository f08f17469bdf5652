// The handlers of the system tests.
import { defineHandler, Reject, RetryLater } from "@event-ingestion/worker";

export default [
  defineHandler("echo", async (event) => event.payload),
  defineHandler("reject", async () => {
    throw new Reject("no good");
  }),
  defineHandler("fail-once", async (_event, { attempt }) => {
    if (attempt === 1) throw new RetryLater(1, "first attempt fails");
    return `attempt ${attempt}`;
  }),
  defineHandler("parse", async (event) => {
    JSON.parse(event.payload);
  }),
  defineHandler("parse-unawaited", async (event) => {
    void Promise.resolve(event.payload).then((text) => JSON.parse(text));
  }),
  /** Ends the process with the code in the payload. */
  defineHandler("exit", async (event) => process.exit(Number(event.payload))),
  defineHandler("forever", () => new Promise(() => undefined)),
  defineHandler("*", async () => undefined),
];
