// The handlers of the tests with workers in processes of their own.
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineHandler } from "@event-ingestion/worker";

export default [
  /** Ends when the file exists whose path is the payload. */
  defineHandler("until-file", async ({ payload }) => {
    while (!existsSync(payload)) await sleep(20);
    return `by ${process.env.WORKER}`;
  }),
  defineHandler("never", () => new Promise(() => {})),
  defineHandler("*", async ({ payload }) => payload),
];
